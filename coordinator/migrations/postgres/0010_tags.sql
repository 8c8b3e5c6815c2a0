-- Where images come from, told after the fact: each row is of a scan that has ended, whose request has the source. What is
-- empty was not told; a reference alone gets the image's digests when the image is seen. `prefixes` as in `waiting`.
CREATE TABLE tags (
    scan TEXT COLLATE "C" PRIMARY KEY,
    reference TEXT COLLATE "C" NOT NULL,
    image_digest TEXT COLLATE "C" NOT NULL,
    image_id TEXT COLLATE "C" NOT NULL,
    prefixes TEXT COLLATE "C" NOT NULL
);

CREATE INDEX tags_by_reference ON tags (reference) WHERE image_digest = '' AND image_id = '';
CREATE INDEX tags_by_digest ON tags (image_digest) WHERE image_digest <> '';
CREATE INDEX tags_by_id ON tags (image_id) WHERE image_id <> '';

-- Which indexes hold which manifests, as far as they were seen.
CREATE TABLE index_members (
    index_digest TEXT COLLATE "C" NOT NULL,
    image_digest TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (index_digest, image_digest)
);

CREATE INDEX index_members_by_image ON index_members (image_digest);

-- Accepted risks. No row goes: they tell who accepted what, and who ended it.
CREATE TABLE accepted_risks (
    id TEXT COLLATE "C" PRIMARY KEY,
    ended_unix_ms BIGINT NOT NULL DEFAULT 0,
    ended_by TEXT COLLATE "C" NOT NULL DEFAULT '',
    body BYTEA NOT NULL
);

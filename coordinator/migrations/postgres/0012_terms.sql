-- Terms are numbers that are made from their texts, and a list has its own beside its postings: neither the texts nor a second
-- index are needed.
ALTER TABLE lists ADD COLUMN terms BYTEA NOT NULL DEFAULT '';
ALTER TABLE lists ALTER COLUMN terms SET STORAGE EXTERNAL;
CREATE TABLE numbered (
    term BIGINT NOT NULL,
    list BIGINT NOT NULL
);
INSERT INTO numbered SELECT DISTINCT n.term, p.list FROM postings p JOIN (
    SELECT t.id, ('x' || encode(substr(sha256(set_byte('\x00'::BYTEA, 0, t.kind::INT) || convert_to(t.text, 'UTF8')), 1, 8), 'hex'))
        ::BIT(64)::BIGINT AS term FROM terms t
) n ON n.id = p.term;
UPDATE lists SET terms = o.terms FROM (
    SELECT list, string_agg(int8send(term), ''::BYTEA ORDER BY term) AS terms FROM numbered GROUP BY list
) o WHERE o.list = lists.number;
DROP TABLE postings;
DROP TABLE terms;
ALTER TABLE numbered RENAME TO postings;
ALTER TABLE postings ADD PRIMARY KEY (term, list);

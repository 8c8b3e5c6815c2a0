-- Terms are numbers that are made from their texts (`term_numbers` was made before), and a list has its own beside its postings:
-- neither the texts nor a second index are needed.
ALTER TABLE lists ADD COLUMN terms BLOB NOT NULL DEFAULT x'';
CREATE TABLE numbered (
    term INTEGER NOT NULL,
    list INTEGER NOT NULL,
    PRIMARY KEY (term, list)
) WITHOUT ROWID;
INSERT INTO numbered SELECT DISTINCT n.term, p.list FROM postings p JOIN term_numbers n ON n.id = p.term ORDER BY 1, 2;
UPDATE lists SET terms = unhex(o.terms) FROM (
    SELECT list, group_concat(printf('%016x', term), '') AS terms FROM numbered GROUP BY list
) o WHERE o.list = lists.number;
DROP TABLE term_numbers;
DROP TABLE postings;
DROP TABLE terms;
ALTER TABLE numbered RENAME TO postings;

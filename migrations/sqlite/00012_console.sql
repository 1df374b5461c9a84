-- Who is logged in to the console, and what they have looked at.

-- +goose Up
-- +goose StatementBegin

CREATE TABLE sessions (
  digest  TEXT    NOT NULL PRIMARY KEY,              -- SHA-256 of the token that only the browser has, hexadecimal
  issuer  TEXT    NOT NULL,                          -- who vouched for the person; empty: the link that was printed at the start
  who     TEXT    NOT NULL,                          -- as in the trail
  name    TEXT    NOT NULL,
  role    TEXT    NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL
);
CREATE INDEX sessions_who ON sessions (who);

-- What a person saw of a finding at the last visit, and at the one before.
CREATE TABLE looks (
  app_key    TEXT NOT NULL,
  finding_id TEXT NOT NULL,
  who        TEXT NOT NULL,
  body       TEXT NOT NULL,                          -- JSON
  PRIMARY KEY (app_key, finding_id, who)
);

-- What the console lists findings by. A finding is wide, with its evidence; to sort, filter and count 100,000 of them takes little beside them. Triggers keep
-- it, whoever writes findings.
CREATE TABLE listed (
  n           INTEGER NOT NULL PRIMARY KEY,          -- of its words
  app_key     TEXT    NOT NULL,
  id          TEXT    NOT NULL,
  rank        INTEGER NOT NULL,                      -- of its severity, 0 the worst
  status      TEXT    NOT NULL,
  check_id    TEXT    NOT NULL,
  assignee    TEXT    NOT NULL,
  first_run   TEXT    NOT NULL,
  last_run    TEXT    NOT NULL,
  first_seen  INTEGER NOT NULL,
  last_seen   INTEGER NOT NULL,
  occurrences INTEGER NOT NULL,
  accounts    INTEGER NOT NULL,
  due_at      INTEGER NOT NULL
);
CREATE UNIQUE INDEX listed_finding ON listed (app_key, id);
CREATE INDEX listed_rank ON listed (rank, last_seen DESC, id, status, check_id, assignee);
CREATE INDEX listed_id ON listed (id);
CREATE INDEX listed_app ON listed (app_key, status, rank, accounts);
CREATE INDEX listed_first_run ON listed (first_run);
CREATE INDEX listed_last_run ON listed (last_run);
CREATE INDEX listed_last_seen ON listed (last_seen DESC, id);
CREATE INDEX listed_first_seen ON listed (first_seen DESC, id);
CREATE INDEX listed_accounts ON listed (accounts DESC, id);
CREATE INDEX listed_occurrences ON listed (occurrences DESC, id);
CREATE INDEX listed_due_at ON listed (due_at, id);
CREATE INDEX apps_vendor_name ON apps (lower(vendor_name));
CREATE INDEX apps_vendor_id ON apps (lower(vendor_id));

-- Its words.
CREATE VIRTUAL TABLE listed_words USING fts5 (words, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 0');

CREATE VIEW finding_words AS
  SELECT f.app_key, f.id, f.id || ' ' || f.app_key || ' ' || f.check_id || ' ' || f.subject || ' ' || f.title || ' ' || f.explanation || ' ' || f.assignee || ' '
    || coalesce(a.name, '') || ' ' || coalesce(a.vendor_name, '') || ' ' || coalesce(a.vendor_id, '') AS words
  FROM findings f LEFT JOIN apps a ON a.app_key = f.app_key;

INSERT INTO listed (app_key, id, rank, status, check_id, assignee, first_run, last_run, first_seen, last_seen, occurrences, accounts, due_at)
  SELECT app_key, id, CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END, status, check_id, assignee, first_run, last_run,
    first_seen, last_seen, occurrences, accounts, due_at FROM findings;
INSERT INTO listed_words (rowid, words) SELECT l.n, w.words FROM listed l JOIN finding_words w ON w.app_key = l.app_key AND w.id = l.id;

CREATE TRIGGER findings_filed AFTER INSERT ON findings
BEGIN
  INSERT INTO listed (app_key, id, rank, status, check_id, assignee, first_run, last_run, first_seen, last_seen, occurrences, accounts, due_at)
    VALUES (NEW.app_key, NEW.id, CASE NEW.severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END, NEW.status, NEW.check_id, NEW.assignee,
      NEW.first_run, NEW.last_run, NEW.first_seen, NEW.last_seen, NEW.occurrences, NEW.accounts, NEW.due_at);
  INSERT INTO listed_words (rowid, words)
    SELECT l.n, w.words FROM listed l JOIN finding_words w ON w.app_key = l.app_key AND w.id = l.id WHERE l.app_key = NEW.app_key AND l.id = NEW.id;
END;

CREATE TRIGGER findings_changed AFTER UPDATE ON findings
BEGIN
  UPDATE listed SET rank = CASE NEW.severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END, status = NEW.status, assignee = NEW.assignee,
    last_run = NEW.last_run, first_seen = NEW.first_seen, last_seen = NEW.last_seen, occurrences = NEW.occurrences, accounts = NEW.accounts, due_at = NEW.due_at
    WHERE app_key = NEW.app_key AND id = NEW.id;
END;

CREATE TRIGGER findings_reworded AFTER UPDATE ON findings
WHEN NEW.title <> OLD.title OR NEW.explanation <> OLD.explanation OR NEW.assignee <> OLD.assignee
BEGIN
  INSERT OR REPLACE INTO listed_words (rowid, words)
    SELECT l.n, w.words FROM listed l JOIN finding_words w ON w.app_key = l.app_key AND w.id = l.id WHERE l.app_key = NEW.app_key AND l.id = NEW.id;
END;

CREATE TRIGGER findings_gone AFTER DELETE ON findings
BEGIN
  DELETE FROM listed_words WHERE rowid = (SELECT n FROM listed WHERE app_key = OLD.app_key AND id = OLD.id);
  DELETE FROM listed WHERE app_key = OLD.app_key AND id = OLD.id;
  DELETE FROM looks WHERE app_key = OLD.app_key AND finding_id = OLD.id;
END;

CREATE TRIGGER apps_named AFTER INSERT ON apps
BEGIN
  INSERT OR REPLACE INTO listed_words (rowid, words)
    SELECT l.n, w.words FROM listed l JOIN finding_words w ON w.app_key = l.app_key AND w.id = l.id WHERE l.app_key = NEW.app_key;
END;

CREATE TRIGGER apps_renamed AFTER UPDATE ON apps
WHEN NEW.name IS NOT OLD.name OR NEW.vendor_name IS NOT OLD.vendor_name OR NEW.vendor_id IS NOT OLD.vendor_id
BEGIN
  INSERT OR REPLACE INTO listed_words (rowid, words)
    SELECT l.n, w.words FROM listed l JOIN finding_words w ON w.app_key = l.app_key AND w.id = l.id WHERE l.app_key = NEW.app_key;
END;
-- +goose StatementEnd

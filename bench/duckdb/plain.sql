-- A night's work as one would write it down at first: one statement for each question, in the dialect's own words, without a second look at the plan.
-- Stands in for the sources: {access}, {reports}, {installs}, {apps}. Calls are held against installs by an ASOF join, and a site without any event counts as
-- one without the app.

-- step: calls, without their copies
CREATE TEMP TABLE calls AS
SELECT DISTINCT ON (request_id) *
FROM read_json({access}, format = 'newline_delimited', columns = {
  ts: 'TIMESTAMP', request_id: 'VARCHAR', app_key: 'VARCHAR', cloud_id: 'VARCHAR', path: 'VARCHAR', auth: 'VARCHAR',
  purpose: 'VARCHAR', status: 'INTEGER', account_ids: 'VARCHAR[]'});

-- step: approvals
CREATE TEMP TABLE approvals AS
SELECT key, unnest(approvals, recursive := true)
FROM read_json({apps}, format = 'newline_delimited', columns = {key: 'VARCHAR',
  approvals: 'STRUCT(status VARCHAR, decided_at TIMESTAMP, revoked_at TIMESTAMP, purposes VARCHAR[])[]'});

-- step: installs
CREATE TEMP TABLE installs AS
SELECT * FROM read_json({installs}, format = 'newline_delimited', columns = {
  ts: 'TIMESTAMP', app_key: 'VARCHAR', cloud_id: 'VARCHAR', event: 'VARCHAR'});

-- step: tally of calls
CREATE TABLE tally AS
SELECT app_key, cloud_id, path, auth, purpose, status, date_trunc('day', ts) AS day,
  count(*) AS calls, min(ts) AS first, max(ts) AS last, sum(len(account_ids)) AS accounts
FROM calls GROUP BY ALL;

-- step: ledger of accounts in calls
CREATE TABLE ledger AS
SELECT app_key, account_id, min(ts) AS first, max(ts) AS last
FROM (SELECT app_key, ts, unnest(account_ids) AS account_id FROM calls)
GROUP BY app_key, account_id;

-- step: accounts reported
CREATE TABLE reported AS
SELECT app_key, r.account_id AS account_id, max(r.updated_at) AS updated_at, max(ts) AS last
FROM (
  SELECT app_key, ts, unnest(accounts) AS r
  FROM read_json({reports}, format = 'newline_delimited', columns = {ts: 'TIMESTAMP', app_key: 'VARCHAR', status: 'INTEGER',
    accounts: 'STRUCT(account_id VARCHAR, updated_at TIMESTAMP)[]'})
  WHERE status IN (200, 204))
GROUP BY ALL;

-- step: approvals of each app
CREATE TEMP TABLE granted AS
SELECT key AS app_key, list({since: decided_at, till: coalesce(revoked_at, TIMESTAMP '9999-01-01'), purposes: purposes}) AS grants
FROM approvals WHERE status = 'approved' GROUP BY key;

-- step: calls against approvals and purposes
CREATE TEMP TABLE judged AS
SELECT app_key, cloud_id, purpose, account_ids, force IS NOT NULL AND len(force) > 0 AS approved
FROM (
  SELECT c.*, list_filter(grants, lambda g: g.since <= c.ts AND c.ts < g.till) AS force
  FROM calls c LEFT JOIN granted ON granted.app_key = c.app_key
  WHERE status = 200)
WHERE force IS NULL OR NOT list_contains(flatten(list_transform(force, lambda g: g.purposes)), purpose);

-- step: their calls and sites
CREATE TABLE unapproved AS
SELECT app_key, CASE WHEN approved THEN purpose ELSE '' END AS subject, count(*) AS occurrences, count(DISTINCT cloud_id) AS sites
FROM judged GROUP BY ALL;

-- step: their accounts
CREATE TABLE unapproved_accounts AS
SELECT app_key, subject, count(DISTINCT account_id) AS accounts
FROM (SELECT app_key, CASE WHEN approved THEN purpose ELSE '' END AS subject, unnest(account_ids) AS account_id FROM judged)
GROUP BY ALL;

-- step: calls against installs
CREATE TEMP TABLE absent AS
SELECT app_key, cloud_id, account_ids
FROM (
  SELECT c.app_key, c.cloud_id, c.account_ids, c.status, c.ts, i.event, i.ts AS since
  FROM calls c ASOF LEFT JOIN installs i ON c.app_key = i.app_key AND c.cloud_id = i.cloud_id AND c.ts >= i.ts)
WHERE status = 200 AND (event IS NULL OR event IN ('uninstalled', 'disabled') AND ts - since > INTERVAL 5 MINUTE);

-- step: findings
CREATE TABLE findings AS
SELECT CASE WHEN subject = '' THEN 'access-unapproved' WHEN subject IN {prohibited} THEN 'purpose-prohibited' ELSE 'purpose-not-approved' END AS check_id,
  app_key, subject, occurrences, coalesce(accounts, 0) AS accounts, sites
FROM unapproved LEFT JOIN unapproved_accounts USING (app_key, subject)
UNION ALL
SELECT 'access-not-installed', app_key, '', occurrences, accounts, sites
FROM (SELECT app_key, count(*) AS occurrences, count(DISTINCT cloud_id) AS sites FROM absent GROUP BY app_key)
JOIN (SELECT app_key, count(DISTINCT account_id) AS accounts FROM (SELECT app_key, unnest(account_ids) AS account_id FROM absent) GROUP BY app_key)
USING (app_key);

-- step: accounts in calls and not reported
CREATE TABLE missing AS
SELECT app_key, count(*) AS accounts
FROM ledger ANTI JOIN reported USING (app_key, account_id)
GROUP BY app_key;

CREATE TABLE IF NOT EXISTS toolloop_version (version BIGINT NOT NULL);
CREATE TABLE toolloop_sessions (name TEXT  PRIMARY KEY, seq BIGINT NOT NULL, owner TEXT NOT NULL, expires BIGINT NOT NULL);
CREATE TABLE toolloop_events (session TEXT  NOT NULL REFERENCES toolloop_sessions (name) ON DELETE CASCADE,
			seq BIGINT NOT NULL, body TEXT NOT NULL, sum BIGINT NOT NULL, PRIMARY KEY (session, seq));
ALTER TABLE toolloop_sessions ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
UPDATE toolloop_sessions SET bytes = (SELECT COALESCE(SUM(octet_length(body)), 0) FROM toolloop_events WHERE session = name);
ALTER TABLE toolloop_sessions ADD COLUMN summary TEXT NOT NULL DEFAULT '';
CREATE TABLE toolloop_states (session TEXT  PRIMARY KEY REFERENCES toolloop_sessions (name) ON DELETE CASCADE,
			seq BIGINT NOT NULL, state TEXT NOT NULL, sum BIGINT NOT NULL);
INSERT INTO toolloop_version (version) VALUES (1);
INSERT INTO toolloop_version (version) VALUES (2);
INSERT INTO toolloop_version (version) VALUES (3);
INSERT INTO toolloop_version (version) VALUES (4);
INSERT INTO toolloop_sessions (name, seq, owner, expires, bytes) VALUES ('order-42', 3, '', 0, 437);
INSERT INTO toolloop_events (session, seq, body, sum) VALUES ('order-42', 1, '{"seq":1,"time":"2026-11-22T00:00:01Z","type":"user_messaged","message":{"role":"user","parts":[{"type":"text","text":"message 1"}]}}', 3312446926);
INSERT INTO toolloop_events (session, seq, body, sum) VALUES ('order-42', 2, '{"seq":2,"time":"2026-11-22T00:00:02Z","type":"user_messaged","message":{"role":"user","parts":[{"type":"text","text":"it''s \"quoted\" \\ \u0000 \u2028 é 😀"}]}}', 1472879618);
INSERT INTO toolloop_events (session, seq, body, sum) VALUES ('order-42', 3, '{"seq":3,"time":"2026-11-22T00:00:03Z","type":"tool_call_started","call":"r1.t1.c0","id":"c","name":"refund","arguments":"{\"amount\":1.0}"}', 3090875344);

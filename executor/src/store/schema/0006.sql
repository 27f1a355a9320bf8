-- Watching is gone: its tables go, with the salts of challenges that were still open.
DROP TABLE watched;
DROP TABLE reruns;
DROP TABLE challenges;

-- A challenge that was written down and never signed is not sent. Answers and judgements that wait still are: they
-- bring a deposit back.
UPDATE intents SET state = 'failed', error = 'watching is gone', final = 1
WHERE state = 'queued' AND id LIKE 'watch-challenge/%'
    AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.intent = intents.id);

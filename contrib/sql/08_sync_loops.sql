-- Which learners are brought up to date again and again, or never to the end?
SELECT site, ensemble, date, learner, COUNT(*) AS synchronizations,
    SUM(CASE WHEN broadcast_at IS NULL THEN 1 ELSE 0 END) AS unfinished,
    SUM(CASE WHEN sync = 'SNAP' THEN 1 ELSE 0 END) AS snapshots, SUM(sync_bytes) AS bytes
FROM links
WHERE synchronization_at IS NOT NULL
GROUP BY site, ensemble, date, learner
HAVING COUNT(*) >= 3 OR SUM(CASE WHEN broadcast_at IS NULL THEN 1 ELSE 0 END) >= 2
ORDER BY synchronizations DESC, site, ensemble, date, learner

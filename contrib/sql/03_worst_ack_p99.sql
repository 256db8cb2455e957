-- Which hosts acknowledge PROPOSALs slowest, by day? Histograms of all links and intervals are merged first.
WITH merged AS (
    SELECT b.site, b.ensemble, b.date, l.learner AS host, b.us, SUM(b.n) AS n
    FROM interval_buckets b
    JOIN links l ON l.site = b.site AND l.ensemble = b.ensemble AND l.run = b.run AND l.link = b.link
    WHERE b.kind = 'ack'
    GROUP BY b.site, b.ensemble, b.date, l.learner, b.us
), ranked AS (
    SELECT site, ensemble, date, host, us,
        SUM(n) OVER (PARTITION BY site, ensemble, date, host ORDER BY us) AS up_to,
        SUM(n) OVER (PARTITION BY site, ensemble, date, host) AS acks
    FROM merged
)
SELECT site, ensemble, date, host, MAX(acks) AS acks, MIN(us) AS p99_us
FROM ranked
WHERE up_to * 100 >= acks * 99
GROUP BY site, ensemble, date, host
ORDER BY p99_us DESC, site, ensemble, date, host
LIMIT 20

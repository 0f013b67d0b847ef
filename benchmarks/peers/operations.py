"""The operations: one statement each, on the users and posts of `benchmarks.workload`.

Imported by the workers, whose imports are measured: nothing is imported here.
"""

ROWS = (
    "INSERT INTO posts (user_id, title, body) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
    " WHERE i < {count}) SELECT 1 + i % 50, 'Post number ' || i,"
    " hex(randomblob(240)) || replace(hex(zeroblob(32)), '00', 'lorem ipsum ') FROM n"
)
READS = {
    "point read": "SELECT * FROM users WHERE id = 7",
    "range of 100 rows": "SELECT id, title FROM posts WHERE id BETWEEN 101 AND 200",
    "join of 100 rows": (
        "SELECT users.name, count(*), sum(length(posts.body)) FROM users JOIN posts ON posts.user_id = users.id"
        " WHERE users.id BETWEEN 11 AND 20 GROUP BY users.id"
    ),
    "full scan": "SELECT count(*), sum(length(body)) FROM posts",
}
WRITES = {
    "write of a row": "UPDATE users SET karma = karma + 1 WHERE id = 7",
    "1,000 rows": ROWS.format(count=1000),
    "bulk import": ROWS.format(count=10_000),
}
OPERATIONS = {**READS, **WRITES}

// @tursodatabase/serverless against a server: statements, batches, transactions, and its form for users of libSQL.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "@tursodatabase/serverless";
import { createClient } from "@tursodatabase/serverless/compat";

const { SLDB_URL: url, SLDB_TOKEN: authToken } = process.env;
const turso = connect({ url, authToken });

test("statements", async () => {
  await turso.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a')");
  const statement = await turso.prepare("SELECT v FROM t WHERE id = ?");
  assert.deepEqual({ ...(await statement.get([1])) }, { v: "a" });
  assert.deepEqual(statement.columns().map((column) => [column.name, column.type]), [["v", "TEXT"]]);
  const inserted = await (await turso.prepare("INSERT INTO t (v) VALUES (:v)")).run({ v: "b" });
  assert.deepEqual([inserted.changes, inserted.lastInsertRowid], [1, 2]);
  const seen = [];
  for await (const row of (await turso.prepare("SELECT id FROM t ORDER BY id")).iterate()) seen.push(row.id);
  assert.deepEqual(seen, [1, 2]);
});

test("a batch, and one that fails", async () => {
  await turso.batch(["INSERT INTO t VALUES (3, 'c')", "INSERT INTO t VALUES (4, 'd')"], "write");
  await assert.rejects(turso.batch(["INSERT INTO t VALUES (5, 'e')", "INSERT INTO t VALUES (1, 'x')"], "write"));
  assert.equal((await turso.get("SELECT count(*) AS n FROM t")).n, 4);
});

test("transactions commit and roll back, also those that run at the same time", async () => {
  const add = turso.transactionAsync(async (tx, id) => {
    await tx.run("INSERT INTO t VALUES (?, 'tx')", [id]);
    if (id === 12) throw new Error("back");
  });
  const outcomes = await Promise.allSettled([add(10), add(11), add(12)]);
  assert.deepEqual(outcomes.map((outcome) => outcome.status), ["fulfilled", "fulfilled", "rejected"]);
  assert.equal((await turso.get("SELECT count(*) AS n FROM t WHERE v = 'tx'")).n, 2);
});

test("the client for users of libSQL", async () => {
  const client = createClient({ url, authToken });
  assert.equal((await client.execute({ sql: "SELECT ? AS n", args: [42] })).rows[0].n, 42);
  client.close();
});

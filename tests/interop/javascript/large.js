// A response beyond the limit of a function: the clients follow its 303 to the store, without the token.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@libsql/client";
import { createClient as createWebClient } from "@libsql/client/web";
import { connect } from "@tursodatabase/serverless";

const { SLDB_URL: url, SLDB_TOKEN: authToken } = process.env;
const LARGE = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 80) SELECT i, hex(zeroblob(50000)) AS t FROM n";
const check = (rows) => assert.deepEqual([rows.length, rows[79].i, rows[79].t.length], [80, 80, 100_000]);

test("fetch", async () => {
  const headers = { "content-type": "application/json", authorization: `Bearer ${authToken}` };
  const response = await fetch(`${url}read`, { method: "POST", headers, body: JSON.stringify({ query: LARGE }) });
  const { rows } = await response.json();
  assert.deepEqual([response.status, rows.length, rows[79][1].length], [200, 80, 100_000]);
});

test("libSQL's client, and its form for the web", async () => {
  for (const create of [createClient, createWebClient]) {
    const client = create({ url, authToken });
    check((await client.execute(LARGE)).rows);
    check((await client.batch(["SELECT 1", LARGE], "read"))[1].rows);
    client.close();
  }
});

test("a transaction of libSQL's client", async () => {
  const client = createClient({ url, authToken });
  await client.execute("CREATE TABLE t (a)");
  const transaction = await client.transaction("write");
  await transaction.execute("INSERT INTO t VALUES (1)");
  check((await transaction.execute(LARGE)).rows);
  await transaction.execute("INSERT INTO t VALUES (2)");
  await transaction.commit();
  assert.equal((await client.execute("SELECT count(*) AS n FROM t")).rows[0].n, 2);
  client.close();
});

test("Turso's driver", async () => check(await (await connect({ url, authToken }).prepare(LARGE)).all()));

// @libsql/client against a server: values, batches, transactions, errors, migrations.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@libsql/client";
import { createClient as createWebClient } from "@libsql/client/web";

const { SLDB_URL: url, SLDB_OTHER_URL: otherUrl, SLDB_OTHER: otherName, SLDB_TOKEN: authToken } = process.env;
const client = createClient({ url, authToken });
const column = async (sql, args = []) => (await client.execute({ sql, args })).rows.map((row) => row[0]);
const codeOf = (promise) => promise.then(() => null, (error) => error.code); // the client drops the extended code

test("the same client for browsers and workers", async () => {
  const web = createWebClient({ url, authToken });
  const result = await web.execute("SELECT 1 AS a, 'x' AS b");
  assert.deepEqual([result.columns, { ...result.rows[0] }, result.rows[0][1]], [["a", "b"], { a: 1, b: "x" }, "x"]);
  web.close();
});

test("values of each type", async () => {
  const args = [null, 9007199254740991, 0.5, "ü\u0000€😀", new Uint8Array([0, 1, 254, 255]), true, new Date(5)];
  const { rows } = await client.execute({ sql: "SELECT ?, ?, ?, ?, ?, ?, ?", args });
  const found = [...Array(7).keys()].map((i) => rows[0][i]);
  assert.deepEqual([...new Uint8Array(found[4])], [0, 1, 254, 255]);
  assert.deepEqual([...found.slice(0, 4), ...found.slice(5)], [null, 9007199254740991, 0.5, "ü\u0000€😀", 1, 5]);
  assert.deepEqual([...new Uint8Array((await client.execute("SELECT x''")).rows[0][0])], []);
});

test("integers beyond 53 bits by intMode", async () => {
  const max = 2n ** 63n - 1n;
  const read = async (intMode) => {
    const typed = createClient({ url, authToken, intMode });
    const { rows } = await typed.execute({ sql: "SELECT ?, ?", args: [max, -max - 1n] });
    typed.close();
    return [rows[0][0], rows[0][1]];
  };
  assert.deepEqual(await read("bigint"), [max, -max - 1n]);
  assert.deepEqual(await read("string"), [String(max), String(-max - 1n)]);
  await assert.rejects(read("number"), RangeError);
});

test("named arguments with each sign", async () => {
  const { rows } = await client.execute({ sql: "SELECT :a, @b, $c", args: { a: 1, "@b": 2, $c: 3 } });
  assert.deepEqual([rows[0][0], rows[0][1], rows[0][2]], [1, 2, 3]);
});

test("counts and rowids", async () => {
  await client.execute("CREATE TABLE counted (id INTEGER PRIMARY KEY, a)");
  const inserted = await client.execute("INSERT INTO counted (a) VALUES (1), (2)");
  assert.deepEqual([inserted.rowsAffected, inserted.lastInsertRowid], [2, 2n]);
  const returned = await client.execute("UPDATE counted SET a = a + 1 RETURNING id, a");
  assert.deepEqual([returned.rowsAffected, returned.rows.length, returned.columns], [2, 2, ["id", "a"]]);
  const empty = await client.execute("SELECT id, a, a AS b FROM counted WHERE 0");
  assert.deepEqual([empty.columns, empty.columnTypes, empty.rowsAffected], [["id", "a", "b"], ["INTEGER", "", ""], 0]);
});

for (const mode of ["write", "deferred", "read", undefined]) {
  test(`a batch in the mode ${mode} is one transaction`, async () => {
    const name = `batch_${mode}`;
    const statements = ["SELECT 1", { sql: "SELECT ?", args: [2] }];
    const results = await client.batch(statements, mode);
    assert.deepEqual(results.map((result) => result.rows[0][0]), [1, 2]);
    if (mode === "read") return;
    await client.batch([`CREATE TABLE ${name} (a UNIQUE)`, `INSERT INTO ${name} VALUES (1)`], mode);
    const failed = client.batch([`INSERT INTO ${name} VALUES (2)`, `INSERT INTO ${name} VALUES (1)`], mode);
    assert.equal(await codeOf(failed), "SQLITE_CONSTRAINT");
    assert.deepEqual(await column(`SELECT a FROM ${name}`), [1]);
  });
}

test("a batch of more statements than a hundred", async () => {
  await client.execute("CREATE TABLE many (a)");
  await client.batch([...Array(500).keys()].map((a) => ({ sql: "INSERT INTO many VALUES (?)", args: [a] })), "write");
  assert.deepEqual(await column("SELECT sum(a) FROM many"), [124750]);
});

test("an error of a batch names its statement", async () => {
  const error = await client.batch(["SELECT 1", "SELECT nothing"], "write").catch((caught) => caught);
  assert.deepEqual([error.name, error.code, error.statementIndex], ["LibsqlBatchError", "SQLITE_ERROR", 1]);
});

test("transactions commit, roll back and close", async () => {
  await client.execute("CREATE TABLE moved (a)");
  for (const [mode, end, want] of [["write", "commit", 1], ["deferred", "rollback", 1], ["write", "close", 1]]) {
    const transaction = await client.transaction(mode);
    await transaction.execute("INSERT INTO moved VALUES (1)");
    assert.equal(transaction.closed, false);
    const inside = (await transaction.execute("SELECT count(*) AS n FROM moved")).rows[0].n;
    await transaction[end]();
    assert.equal(transaction.closed, true);
    assert.deepEqual([inside >= 1, await column("SELECT count(*) FROM moved")], [true, [want]]);
  }
  const read = await client.transaction("read");
  await read.execute("SELECT 1");
  await read.commit();
});

test("batches and scripts inside of a transaction", async () => {
  const transaction = await client.transaction("write");
  await transaction.batch(["CREATE TABLE inside (a UNIQUE)", "INSERT INTO inside VALUES (1)"]);
  await transaction.executeMultiple("INSERT INTO inside VALUES (2); INSERT INTO inside VALUES (3);");
  assert.equal(await codeOf(transaction.execute("INSERT INTO inside VALUES (3)")), "SQLITE_CONSTRAINT");
  await transaction.execute("INSERT INTO inside VALUES (4)");
  await transaction.commit();
  assert.deepEqual(await column("SELECT a FROM inside"), [1, 2, 3, 4]);
});

test("concurrent transactions that do not touch the same rows commit", async () => {
  await client.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, a)");
  await client.batch(["INSERT INTO kept VALUES (1, 0)", "INSERT INTO kept VALUES (2, 0)"], "write");
  const [first, second] = await Promise.all([client.transaction("write"), client.transaction("write")]);
  await Promise.all([
    first.execute("UPDATE kept SET a = a + 1 WHERE id = 1"),
    second.execute("UPDATE kept SET a = a + 1 WHERE id = 2"),
  ]);
  await Promise.all([first.commit(), second.commit()]);
  assert.deepEqual(await column("SELECT a FROM kept ORDER BY id"), [1, 1]);
});

test("of two transactions that read what the other writes, one is busy", async () => {
  await client.execute("CREATE TABLE raced AS SELECT 0 AS a");
  const both = await Promise.all([client.transaction("write"), client.transaction("write")]);
  for (const transaction of both) {
    await transaction.execute("SELECT a FROM raced");
    await transaction.execute("UPDATE raced SET a = a + 1");
  }
  await both[0].commit();
  assert.equal(await codeOf(both[1].commit()), "SQLITE_BUSY");
  both[1].close();
  assert.deepEqual(await column("SELECT a FROM raced"), [1]);
});

test("requests that run at the same time", async () => {
  const found = await Promise.all([...Array(20).keys()].map((a) => column("SELECT ?", [a])));
  assert.deepEqual(found.flat(), [...Array(20).keys()]);
});

test("a script", async () => {
  await client.executeMultiple(`
    CREATE TABLE script (a); -- a comment; with a semicolon
    CREATE TRIGGER doubled AFTER INSERT ON script BEGIN UPDATE script SET a = a * 2; SELECT 1; END;
    INSERT INTO script VALUES (21);
  `);
  assert.deepEqual(await column("SELECT a FROM script"), [42]);
  assert.equal(await codeOf(client.executeMultiple("INSERT INTO script VALUES (1); SELECT nothing")), "SQLITE_ERROR");
});

test("migrations run without foreign keys, as a whole", async () => {
  await client.executeMultiple("CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (p REFERENCES parent)");
  await client.batch(["INSERT INTO parent VALUES (1)", "INSERT INTO child VALUES (1)"], "write");
  await client.migrate([
    "CREATE TABLE renewed (id INTEGER PRIMARY KEY, a)",
    "INSERT INTO renewed SELECT id, 'new' FROM parent",
    "DROP TABLE parent",
    "ALTER TABLE renewed RENAME TO parent",
  ]);
  assert.deepEqual(await column("SELECT a FROM parent"), ["new"]);
  await assert.rejects(client.migrate(["CREATE TABLE lost (a)", "SELECT nothing"]), { code: "SQLITE_ERROR" });
  assert.deepEqual(await column("SELECT name FROM sqlite_schema WHERE name = 'lost'"), []);
  assert.equal(await codeOf(client.execute("INSERT INTO child VALUES (9)")), "SQLITE_CONSTRAINT");
});

test("ATTACH reads another database", async () => {
  const other = createClient({ url: otherUrl, authToken });
  await other.executeMultiple("CREATE TABLE o (a); INSERT INTO o VALUES (7)");
  other.close();
  const results = await client.batch([`ATTACH '${otherName}' AS o`, "SELECT a FROM o.o"], "read");
  assert.equal(results[1].rows[0].a, 7);
  const transaction = await client.transaction("read");
  await transaction.execute(`ATTACH '${otherName}' AS o`);
  assert.equal((await transaction.execute("SELECT a FROM o.o")).rows[0].a, 7);
  transaction.close();
});

test("errors have SQLite's codes", async () => {
  await client.execute("CREATE TABLE strict (a INTEGER NOT NULL CHECK (a > 0)) STRICT");
  const codes = {
    "SELECT FROM": "SQLITE_ERROR",
    "SELECT * FROM missing": "SQLITE_ERROR",
    "INSERT INTO strict VALUES (NULL)": "SQLITE_CONSTRAINT",
    "INSERT INTO strict VALUES ('x')": "SQLITE_CONSTRAINT",
    "SELECT 1; SELECT 2": "SQL_MANY_STATEMENTS",
    "": "SQL_PARSE_ERROR",
    "SELECT ?": "SQL_INPUT_ERROR",
    "PRAGMA hard_heap_limit = 1": "BLOCKED",
    "SELECT hex(zeroblob(1000000000))": "SQLITE_TOOBIG",
  };
  for (const [sql, code] of Object.entries(codes)) {
    await assert.rejects(client.execute(sql), { name: "LibsqlError", code }, sql);
  }
});

test("a database that does not exist, and a token that is wrong", async () => {
  const code = (config) => codeOf(createClient({ url, authToken, ...config }).execute("SELECT 1"));
  const absent = createClient({ url: new URL("../absent/", url).href, authToken });
  await assert.rejects(absent.execute("SELECT 1"), { code: "SERVER_ERROR", message: /there is no database absent/ });
  // The client has no code for the body of API Gateway's own refusals.
  assert.ok(["SERVER_ERROR", "UNKNOWN"].includes(await code({ authToken: "another-token-than-the-server-knows" })));
});

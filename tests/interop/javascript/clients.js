// Published clients of libSQL against the URL of the command line; prints one line of JSON.
import { createClient } from "@libsql/client/web";
import { connect } from "@tursodatabase/serverless";
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql/web";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

const url = process.argv[2];
const found = {};

const client = createClient({ url });
await client.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)");
await client.batch([{ sql: "INSERT INTO t VALUES (?, ?)", args: [1, "a"] }, "INSERT INTO t VALUES (2, 'b')"], "write");
const committed = await client.transaction("write");
await committed.execute("INSERT INTO t VALUES (3, 'c')");
await committed.commit();
const undone = await client.transaction("write");
await undone.execute("DELETE FROM t");
await undone.rollback();
found.libsql = (await client.execute("SELECT count(*) AS n FROM t")).rows[0].n;
found.error = await client.execute("SELECT * FROM missing").catch((error) => error.code);

const turso = connect({ url });
found.turso = await (await turso.prepare("SELECT v FROM t WHERE id = ?")).get([2]);
await turso.batch(["INSERT INTO t VALUES (4, 'd')"], "write");

const table = sqliteTable("t", { id: integer("id").primaryKey(), v: text("v") });
const orm = drizzle({ connection: { url } });
await orm.transaction(async (tx) => {
  await tx.insert(table).values({ id: 5, v: "e" });
  await tx.update(table).set({ v: "z" }).where(eq(table.id, 1));
});
found.rolledBack = await orm
  .transaction(async (tx) => {
    await tx.delete(table);
    throw new Error("back");
  })
  .catch((error) => error.message);
found.drizzle = (await orm.select().from(table)).map((row) => row.v);
console.log(JSON.stringify(found));

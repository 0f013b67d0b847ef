// drizzle-orm against a server: schema by its migrator, queries, relations, transactions, batches.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { count, eq, relations, sql, sum } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";
import { migrate } from "drizzle-orm/libsql/migrator";
import { blob, integer, real, sqliteTable, text } from "drizzle-orm/sqlite-core";

const { SLDB_URL: url, SLDB_TOKEN: authToken } = process.env;

const users = sqliteTable("drizzle_users", {
  id: integer().primaryKey({ autoIncrement: true }),
  name: text().notNull().unique(),
  score: real(),
  active: integer({ mode: "boolean" }).default(true),
  born: integer({ mode: "timestamp" }),
  settings: text({ mode: "json" }),
  large: blob({ mode: "bigint" }),
  bytes: blob({ mode: "buffer" }),
});
const posts = sqliteTable("drizzle_posts", {
  id: integer().primaryKey(),
  author: integer().notNull().references(() => users.id),
  title: text().notNull(),
});
const schema = {
  users,
  posts,
  ofUsers: relations(users, ({ many }) => ({ posts: many(posts) })),
  ofPosts: relations(posts, ({ one }) => ({ user: one(users, { fields: [posts.author], references: [users.id] }) })),
};
const db = drizzle({ connection: { url, authToken }, schema });
after(() => db.$client.close());

const MIGRATIONS = [
  `CREATE TABLE drizzle_users (
     id integer PRIMARY KEY AUTOINCREMENT NOT NULL, name text NOT NULL, score real, active integer DEFAULT true,
     born integer, settings text, large blob, bytes blob
   );
--> statement-breakpoint
CREATE UNIQUE INDEX drizzle_users_name ON drizzle_users (name);`,
  `CREATE TABLE drizzle_posts (
     id integer PRIMARY KEY NOT NULL, author integer NOT NULL, title text NOT NULL,
     FOREIGN KEY (author) REFERENCES drizzle_users (id)
   );`,
];

test("the migrator runs what is new, once", async () => {
  const folder = mkdtempSync(join(tmpdir(), "drizzle-"));
  mkdirSync(join(folder, "meta"));
  const write = (wanted) => {
    const entries = wanted.map((_, idx) => ({ idx, version: "6", when: 1000 + idx, tag: `000${idx}`, breakpoints: true }));
    writeFileSync(join(folder, "meta", "_journal.json"), JSON.stringify({ version: "7", dialect: "sqlite", entries }));
    wanted.forEach((statements, i) => writeFileSync(join(folder, `000${i}.sql`), statements));
  };
  for (const wanted of [MIGRATIONS.slice(0, 1), MIGRATIONS, MIGRATIONS]) {
    write(wanted);
    await migrate(db, { migrationsFolder: folder });
  }
  rmSync(folder, { recursive: true });
  const applied = await db.get(sql`SELECT count(*) AS n FROM __drizzle_migrations`);
  assert.equal(applied.n, 2);
});

test("values of each kind of column", async () => {
  const row = {
    name: "ada",
    score: 1.5,
    active: false,
    born: new Date(1_000_000),
    settings: { a: [1, null] },
    large: 2n ** 70n,
    bytes: Buffer.from([0, 255]),
  };
  const [returned] = await db.insert(users).values(row).returning();
  assert.deepEqual(returned, { id: 1, ...row });
  assert.deepEqual(await db.select().from(users), [returned]);
});

test("update, upsert and delete", async () => {
  await db.insert(users).values([{ name: "bob", score: 1 }, { name: "eve", score: 2 }]);
  const updated = await db.update(users).set({ score: sql`${users.score} + 1` }).where(eq(users.name, "bob")).returning();
  assert.deepEqual(updated.map((row) => [row.name, row.score]), [["bob", 2]]);
  await db.insert(users).values({ name: "eve" }).onConflictDoUpdate({ target: users.name, set: { score: 9 } });
  assert.deepEqual(await db.select({ n: count(), all: sum(users.score) }).from(users), [{ n: 3, all: "12.5" }]);
  const deleted = await db.delete(users).where(eq(users.name, "eve"));
  assert.equal(deleted.rowsAffected, 1);
  assert.equal(await db.$count(users), 2);
});

test("relations and joins", async () => {
  await db.insert(posts).values([{ id: 1, author: 1, title: "first" }, { id: 2, author: 1, title: "second" }]);
  const found = await db.query.users.findMany({ columns: { name: true }, with: { posts: { columns: { title: true } } } });
  assert.deepEqual(found, [
    { name: "ada", posts: [{ title: "first" }, { title: "second" }] },
    { name: "bob", posts: [] },
  ]);
  const post = await db.query.posts.findFirst({ where: eq(posts.id, 2), with: { user: { columns: { name: true } } } });
  assert.equal(post.user.name, "ada");
  const joined = await db.select().from(users).leftJoin(posts, eq(posts.author, users.id)).where(eq(users.name, "bob"));
  assert.deepEqual(joined.map((row) => [row.drizzle_users.name, row.drizzle_posts]), [["bob", null]]);
});

test("a prepared statement", async () => {
  const prepared = db.select({ name: users.name }).from(users).where(eq(users.id, sql.placeholder("id"))).prepare();
  assert.deepEqual(await prepared.execute({ id: 1 }), [{ name: "ada" }]);
});

test("transactions, nested ones and those that roll back", async () => {
  await db.transaction(async (tx) => {
    await tx.insert(users).values({ name: "outer" });
    await tx.transaction(async (inner) => {
      await inner.insert(users).values({ name: "inner" });
      inner.rollback();
    }).catch(() => {});
    assert.equal(await tx.$count(users), 3);
  }, { behavior: "immediate" });
  const lost = db.transaction(async (tx) => {
    await tx.delete(posts);
    throw new Error("back");
  });
  await assert.rejects(lost, { message: "back" });
  assert.deepEqual([await db.$count(users), await db.$count(posts)], [3, 2]);
});

test("a batch is one transaction", async () => {
  const [inserted, all] = await db.batch([
    db.insert(users).values({ name: "batched" }).returning({ name: users.name }),
    db.select({ n: count() }).from(users),
  ]);
  assert.deepEqual([inserted, all], [[{ name: "batched" }], [{ n: 4 }]]);
  const failed = db.batch([db.delete(posts), db.insert(users).values({ name: "ada" })]);
  const error = await failed.catch((caught) => caught);
  assert.equal((error.cause ?? error).code, "SQLITE_CONSTRAINT");
  assert.equal(await db.$count(posts), 2);
});

test("an error names its cause", async () => {
  const error = await db.insert(posts).values({ id: 3, author: 99, title: "none" }).catch((caught) => caught);
  assert.equal(error.cause.code, "SQLITE_CONSTRAINT");
});

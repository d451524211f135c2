import Database from 'libsql';
import type { TrialResult } from './result-file.js';

/** The version of the tables; another one is made anew from the files. */
const tablesVersion = 1;

const tables = `
  CREATE TABLE trials (
    key TEXT PRIMARY KEY, suite TEXT, model TEXT, task TEXT, method TEXT, budget TEXT, kind TEXT, seed INTEGER,
    learning_rate REAL, status TEXT, code TEXT, commit_hash TEXT, created_at TEXT, result TEXT NOT NULL
  ) STRICT;
  CREATE INDEX cells ON trials (model, task, method, budget);
  PRAGMA user_version = ${tablesVersion};
`;

/** The trials as tables: an index of the files beside it, which are what counts. Any SQLite client reads it. */
export interface ResultDatabase {
  keys(): Set<string>;
  put(result: TrialResult): void;
  remove(key: string): void;
  /** The trials that an SQL condition holds for, the oldest first. */
  select(condition: string, ...values: readonly (string | number)[]): TrialResult[];
  close(): void;
}

export function openResultDatabase(path: string): ResultDatabase {
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  const [{ user_version: version } = {}] = database.pragma('user_version') as { user_version?: number }[];
  if (version !== tablesVersion) {
    database.exec('DROP TABLE IF EXISTS trials');
    database.exec(tables);
  }
  const columns = [
    ...['key', 'suite', 'model', 'task', 'method', 'budget', 'kind', 'seed'],
    ...['learning_rate', 'status', 'code', 'commit_hash', 'created_at', 'result'],
  ];
  const insert = database.prepare(
    `INSERT OR REPLACE INTO trials (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  );
  const remove = database.prepare('DELETE FROM trials WHERE key = ?');
  return {
    keys: () => new Set((database.prepare('SELECT key FROM trials').all() as { key: string }[]).map(({ key }) => key)),
    put(result) {
      const { key, suite, cell, kind, seed, learningRate, outcome, identity } = result.trial;
      const { commit = null, created_at: createdAt } = result.run_info as Record<string, unknown>;
      insert.run(
        ...[key, suite, cell.model, cell.task, cell.method, cell.budget, kind, seed],
        ...[learningRate, outcome.status, identity.code, commit, createdAt, JSON.stringify(result)],
      );
    },
    remove: (key) => {
      remove.run(key);
    },
    select(condition, ...values) {
      const query = database.prepare(`SELECT result FROM trials WHERE ${condition} ORDER BY created_at, key`);
      return (query.all(...values) as { result: string }[]).map(({ result }) => JSON.parse(result) as TrialResult);
    },
    close: () => {
      database.close();
    },
  };
}

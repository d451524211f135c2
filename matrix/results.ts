import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { extents, type Shard, shardKey, shards } from './shards.js';

/** What one shard's run came to. */
export interface ShardResult {
  readonly passed: number;
  /** Names of the tests that failed, each with the first line of its error; of a run that broke off, how. */
  readonly failures: readonly string[];
  /** Those of the shard's runs before this one, on the same commit. */
  readonly earlierFailures?: readonly string[];
  readonly seconds: number;
  /** When it ended, ISO 8601. */
  readonly at: string;
  /** What it ran on. */
  readonly commit: string;
}

/** The matrix in one environment, whose shards may have run on several commits. */
export interface MatrixResults {
  readonly environment: Readonly<Record<string, string>>;
  /** By shard key; a shard that is not here has not run. */
  readonly shards: Record<string, ShardResult>;
}

/** What the file holds if it is of this environment; otherwise nothing has run yet. */
export function openResults(path: string, environment: Readonly<Record<string, string>>): MatrixResults {
  const fresh: MatrixResults = { environment, shards: {} };
  if (!existsSync(path)) return fresh;
  const saved = JSON.parse(readFileSync(path, 'utf8')) as MatrixResults;
  return JSON.stringify(saved.environment) === JSON.stringify(environment) ? saved : fresh;
}

/** Replaces the file in one step, so that a run broken off at any moment resumes from a whole one. */
export function saveResults(path: string, results: MatrixResults): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(results, null, 2)}\n`);
  renameSync(temporary, path);
}

/** The results as a Markdown page: a row for each method and family, a column for each backend. */
export function resultsPage({ environment, shards: results }: MatrixResults): string {
  const backends = Object.keys(extents) as Shard['backend'][];
  const ran = Object.values(results);
  const times = ran.map(({ at }) => at).sort();
  const commits = new Map<string, number>();
  for (const { commit } of ran) commits.set(commit, (commits.get(commit) ?? 0) + 1);
  const list = (pick: (result: ShardResult) => readonly string[]): string[] =>
    shards.flatMap((shard) => {
      const result = results[shardKey(shard)];
      return (result === undefined ? [] : pick(result)).map((failure) => `- \`${shardKey(shard)}\`: ${failure}`);
    });
  const rows = shards
    .filter(({ backend }) => backend === backends[0])
    .map(({ method, family }) => {
      const cells = backends.map((backend) => cell(results[shardKey({ method, family, backend })]));
      return `| ${method} | ${family} | ${cells.join(' | ')} |`;
    });
  return [
    '# The matrix',
    'Written by `npm run matrix`: the contract of every method on every family and backend, each shard as it last ran. A cell counts tests that',
    'passed and the seconds they took, the start of the process apart.',
    '',
    ...[...commits].map(([commit, count]) => `- commit: ${commit} (shards: ${count})`),
    `- passed: ${ran.filter(({ failures }) => failures.length === 0).length} of ${shards.length} shards, of which ${ran.length} ran`,
    `- ended between ${times[0] ?? '—'} and ${times.at(-1) ?? '—'}`,
    ...Object.entries(environment).map(([name, value]) => `- ${name}: ${value}`),
    '',
    `| method | family | ${backends.map((backend) => `${backend} (${extents[backend]})`).join(' | ')} |`,
    `| --- | --- |${' --- |'.repeat(backends.length)}`,
    ...rows,
    ...section(
      'Failures',
      list(({ failures }) => failures),
    ),
    ...section(
      'Failures of earlier runs of a shard, on the same commit',
      list(({ earlierFailures }) => earlierFailures ?? []),
    ),
    '',
  ].join('\n');
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `## ${title}`, '', ...lines];
}

function cell(result: ShardResult | undefined): string {
  if (result === undefined) return 'not run';
  const { passed, failures, seconds } = result;
  const outcome = failures.length === 0 ? `${passed} passed` : `**${failures.length} failed**, ${passed} passed`;
  return `${outcome}, ${seconds.toFixed(0)} s`;
}

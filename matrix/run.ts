/**
 * The full product of methods, families and backends, a child process for each method and backend. Broken off, it
 * resumes: a shard that passed on this commit, in this environment, is not run again. Arguments narrow it to shards whose name contains
 * one of them: `npm run matrix -- onnx-cpu`; the others keep what they came to on earlier commits. Results go to results.json and
 * RESULTS.md, both committed.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { openResults, resultsPage, type ShardResult, saveResults } from './results.js';
import { runShards } from './run-shards.js';
import { type Shard, shardKey, shards } from './shards.js';

const root = join(import.meta.dirname, '..');
const statePath = join(root, 'matrix/results.json');
const pagePath = join(root, 'matrix/RESULTS.md');

const git = (...options: string[]): string => execFileSync('git', options, { cwd: root, encoding: 'utf8' }).trim();

/** The commit that last changed anything but the results themselves; a tree with other changes is no commit. */
function commit(): string {
  const others = ['--', '.', ':!matrix/results.json', ':!matrix/RESULTS.md'];
  const hash = git('log', '-1', '--format=%H', ...others);
  return git('status', '--porcelain', ...others) === '' ? hash : `${hash}, with changes of ${new Date().toISOString()}`;
}

function version(name: string): string {
  const manifest = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'));
  return (manifest as { version: string }).version;
}

const environment = {
  machine: `${process.platform} ${process.arch}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}`,
  WebGPU: process.env.VK_ICD_FILENAMES ?? "the system's driver",
  node: process.versions.node,
  ...Object.fromEntries(['onnxruntime-node', '@tensorflow/tfjs-core', 'vitest'].map((name) => [name, version(name)])),
};

const wanted = process.argv.slice(2);
const chosen = shards.filter((shard) => wanted.length === 0 || wanted.some((part) => shardKey(shard).includes(part)));
const results = openResults(statePath, environment);
const here = commit();
const ranHere = (key: string): ShardResult | undefined => {
  const result = results.shards[key];
  return result?.commit === here ? result : undefined;
};
const passed = (key: string): boolean => ranHere(key)?.failures.length === 0;

const left = chosen.filter((shard) => !passed(shardKey(shard)));
console.log(`${chosen.length - left.length} of ${chosen.length} shards passed before`);
for (const group of grouped(left)) {
  for (const [key, result] of await runShards(root, group.map(shardKey))) {
    const before = ranHere(key);
    const earlierFailures = [...(before?.earlierFailures ?? []), ...(before?.failures ?? [])];
    results.shards[key] = { ...result, commit: here, ...(earlierFailures.length === 0 ? {} : { earlierFailures }) };
    console.log(`${key}: ${result.passed} passed, ${result.failures.length} failed, ${result.seconds.toFixed(0)} s`);
    for (const failure of result.failures) console.log(`  ${failure}`);
  }
  saveResults(statePath, results);
  writeFileSync(pagePath, resultsPage(results));
}
process.exitCode = chosen.every((shard) => passed(shardKey(shard))) ? 0 : 1;

/** The shards of one method on one backend share a process, whose start costs more than some shards do. */
function grouped(all: readonly Shard[]): Shard[][] {
  const groups = new Map<string, Shard[]>();
  for (const shard of all) {
    const name = `${shard.method}/${shard.backend}`;
    groups.set(name, [...(groups.get(name) ?? []), shard]);
  }
  return [...groups.values()];
}

/**
 * What works here works from npm: packs every package, lets plugin authors follow the guide, and build and test the example
 * plugin, on the tarballs, and lets a user install them all into an empty project, run a program, train with the plugin and generate.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { capitals, smallModel } from '../examples/small-model.js';
import { withTarballs } from './pack.js';
import { report, root } from './workspace.js';

const temporary = mkdtempSync(join(tmpdir(), 'tunesmith-smoke-'));

/** Runs a command in a project and returns what it printed; a failure ends the smoke test, with all that it said. */
function run(project: string, command: string, ...options: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, options, {
    cwd: join(temporary, project),
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status === 0) return stdout;
  throw new Error(`${command} ${options.join(' ')}\n${stdout ?? ''}\n${stderr ?? ''}\n${error?.message ?? ''}`);
}

function install(project: string): void {
  run(project, 'npm', 'install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error');
}

/** Lets a plugin's package.json in a project take the packed packages. */
function useTarballs(project: string, tarballs: ReadonlyMap<string, string>): void {
  const path = join(temporary, project, 'package.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Record<'devDependencies', Record<string, string>>;
  for (const [name, tarball] of tarballs) manifest.devDependencies[name] = `file:${tarball}`;
  writeFileSync(path, JSON.stringify(manifest));
}

/** The example plugin as its author has it: on packed packages, in a folder of its own. Returns its tarball. */
function authorPlugin(tarballs: ReadonlyMap<string, string>): string {
  cpSync(join(root, 'examples/third-party-plugin'), join(temporary, 'author'), { recursive: true });
  useTarballs('author', tarballs);
  install('author');
  run('author', 'npm', 'run', 'build');
  run('author', 'npm', 'test');
  run('author', 'npm', 'pack');
  const packed = readdirSync(join(temporary, 'author')).find((name) => name.endsWith('.tgz'));
  return join(temporary, 'author', packed ?? '');
}

/** docs/write-a-method.md as a stranger follows it: its files, its commands, in an empty folder. */
function followGuide(tarballs: ReadonlyMap<string, string>, modelPath: string): void {
  const guide = readFileSync(join(root, 'docs/write-a-method.md'), 'utf8');
  for (const [, path = '', text = ''] of guide.matchAll(/^<!-- file (\S+) -->\n\n```\w+\n(.*?)^```$/gms)) {
    mkdirSync(join(temporary, 'guide', dirname(path)), { recursive: true });
    writeFileSync(join(temporary, 'guide', path), text);
  }
  useTarballs('guide', tarballs);
  install('guide');
  run('guide', 'npm', 'test');
  run('guide', 'npm', 'run', 'build');
  const model = ['--model', modelPath, '--plugin', './dist/input-scale.js'];
  const data = ['--data', capitals, '--method', 'input-scale', '--steps', '2', '--output', 'run'];
  run('guide', 'npx', 'tunesmith', 'train', ...model, ...data);
  run('guide', 'npx', 'tunesmith', 'generate', ...model, '--adapter', 'run/adapter', '--prompt', 'The');
}

/** A user's empty project: libraries, command line and the plugin. */
function usePackages(tarballs: ReadonlyMap<string, string>, plugin: string, modelPath: string): string[] {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  const dependencies = {
    ...Object.fromEntries([...tarballs].map(([name, tarball]) => [name, `file:${tarball}`])),
    'tunesmith-vera': `file:${plugin}`,
    vitest: devDependencies.vitest, // a peer of @tunesmith/testing; its newest major needs a newer Node than ours
  };
  mkdirSync(join(temporary, 'user'));
  writeFileSync(join(temporary, 'user/package.json'), JSON.stringify({ private: true, type: 'module', dependencies }));
  install('user');

  cpSync(join(root, 'scripts/smoke-program.js'), join(temporary, 'user/program.js'));
  run('user', process.execPath, 'program.js', ...tarballs.keys());

  const problems: string[] = [];
  const tunesmith = (...options: string[]) => run('user', 'npx', 'tunesmith', ...options, '--json');
  const listed = (JSON.parse(tunesmith('plugins')) as { methods: string[] }[]).flatMap(({ methods }) => methods);
  for (const method of ['lora', 'full', 'vera'])
    if (!listed.includes(method)) problems.push(`tunesmith plugins does not list ${method}`);

  const model = ['--model', modelPath];
  tunesmith('train', ...model, '--data', capitals, '--method', 'vera', '--steps', '2', '--output', 'run');
  const generate = [
    'generate',
    ...model,
    '--adapter',
    'run/adapter',
    '--prompt',
    'The capital of',
    '--temperature',
    '0',
  ];
  const generated = JSON.parse(tunesmith(...generate, '--max-tokens', '4')) as { text: unknown };
  if (typeof generated.text !== 'string') problems.push('tunesmith generate prints no text');
  return problems;
}

await withTarballs(async (tarballs) => {
  try {
    const model = await smallModel(temporary);
    followGuide(tarballs, model);
    const problems = usePackages(tarballs, authorPlugin(tarballs), model);
    report(`${tarballs.size} packed packages and a third party's plugin, in empty projects`, problems);
  } catch (failure) {
    report('smoke', [(failure as Error).message]);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkFile } from './check-file.js';
import { writeTinyModel } from './fixtures/tiny-model.js';
import { createProgram } from './program.js';
import { createTerminal } from './terminal.js';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tunesmith-program-'));
});
afterAll(() => rm(home, { recursive: true }));

/** The commands that do something, by their full names. */
function leaves(program: Command, above = ''): [name: string, command: Command][] {
  return program.commands.flatMap((command) => {
    const name = `${above}${command.name()}`;
    return command.commands.length > 0 ? leaves(command, `${name} `) : [[name, command] as [string, Command]];
  });
}

it('every command takes --json', () => {
  const commands = leaves(createProgram(createTerminal({ json: true })));
  const without = commands.filter(([, { options }]) => !options.some(({ long }) => long === '--json'));
  expect(without.map(([name]) => name)).toEqual([]);
  expect(commands.map(([name]) => name)).toEqual(
    expect.arrayContaining([
      ...['init', 'train', 'resume', 'eval', 'generate', 'merge', 'plan', 'data check', 'plugins', 'doctor', 'schema'],
    ]),
  );
});

it('data check shows an example with its loss weights in colour', async () => {
  await writeTinyModel(join(home, 'model'));
  await writeFile(join(home, 'pairs.jsonl'), `${JSON.stringify({ prompt: '1 + 1 = ', completion: '2' })}\n`);
  const printed: string[] = [];
  await checkFile(
    join(home, 'pairs.jsonl'),
    { model: join(home, 'model') },
    {
      ...createTerminal({ json: false }),
      status: () => {},
      print: (text = '') => void printed.push(text),
      style: (style, text) => `<${String(style)}>${text}</>`,
    },
  );
  expect(printed.at(-2)).toContain('loss weights: <green>1</> <yellow>0.1</>');
  // Nothing comes before the first token, which therefore weighs nothing.
  expect(printed.at(-1)).toBe('<dim>1</><yellow> + 1 = </><green>2<|endoftext|></>');
});

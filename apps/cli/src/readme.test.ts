import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { lora } from '@tunesmith/lora';
import { markdownTable, recipeReference } from '@tunesmith/runtime';
import { full } from '@tunesmith/selective';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { exitCodes } from './exit-code.js';
import { createProgram } from './program.js';
import { createTerminal } from './terminal.js';

const readme = fileURLToPath(new URL('../README.md', import.meta.url));

/** What of the README is made from the code: commands, exit codes and the recipe's keys. */
const sections: Readonly<Record<string, string>> = {
  commands: table(
    ['command', 'does'],
    commandsOf(createProgram(createTerminal({ json: true }))).map((command) => [
      `\`${usageOf(command)}\``,
      command.description(),
    ]),
  ),
  'exit codes': table(['code', 'meaning'], Object.entries(exitCodes)),
  recipe: markdownTable(recipeReference([lora, full])),
};

it('says what the code does; `npx vitest run apps/cli/src/readme.test.ts -u` brings it up to date', async () => {
  let text = readFileSync(readme, 'utf8');
  for (const [name, content] of Object.entries(sections)) {
    const section = new RegExp(`(<!-- ${name} -->)[^]*?(<!-- /${name} -->)`);
    expect(text).toMatch(section);
    text = text.replace(section, (_, start: string, end: string) => `${start}\n${content}\n${end}`);
  }
  await expect(text).toMatchFileSnapshot(readme);
});

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The commands that do something, at any depth. */
function commandsOf(program: Command): Command[] {
  return program.commands.flatMap((command) => (command.commands.length > 0 ? commandsOf(command) : [command]));
}

function usageOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
  const parts = command.registeredArguments.map((part) => (part.required ? `<${part.name()}>` : `[${part.name()}]`));
  return [...names, ...parts].join(' ');
}

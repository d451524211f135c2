import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { loadMethods, recipeJsonSchema } from '@tunesmith/runtime';
import { stringify } from 'yaml';
import type { InitFlags } from './commands/init.js';
import { pluginRoots } from './engine.js';
import { modelOf } from './recipe-from-flags.js';
import type { Terminal } from './terminal.js';

interface Answers {
  readonly model: string;
  readonly data: string;
  readonly method: string;
}

const defaults: Answers = { model: 'HuggingFaceTB/SmolLM2-135M-Instruct', data: 'train.jsonl', method: 'lora' };

/** Writes recipe.yaml and recipe.schema.json into a folder; asks for what no flag says, in a terminal. */
export async function init(folder: string, flags: InitFlags, terminal: Terminal): Promise<void> {
  const recipe = join(folder, 'recipe.yaml');
  const schema = join(folder, 'recipe.schema.json');
  if (existsSync(recipe)) {
    throw new TunesmithError('FILE_INVALID', 'there is a recipe already', {
      where: recipe,
      hint: 'Choose another folder.',
    });
  }
  const asks = process.stdin.isTTY === true && terminal.live && flags.yes === undefined;
  // A recipe's paths are relative to its folder, those of the command line to where one stands.
  const data = flags.data === undefined ? {} : { data: relative(folder, flags.data) };
  const answers = asks ? await ask({ ...flags, ...data }) : { ...defaults, ...flags, ...data };
  const factories = await loadMethods([answers.method], { roots: pluginRoots() });
  await mkdir(folder, { recursive: true });
  await writeFile(recipe, recipeText(answers, folder), { flag: 'wx' });
  await writeFile(schema, `${JSON.stringify(recipeJsonSchema(factories), null, 2)}\n`);
  if (terminal.json) return terminal.printJson({ recipe, schema });
  terminal.print(`wrote ${recipe} and its schema`);
  terminal.print();
  terminal.print(terminal.style('dim', 'Next:'));
  terminal.print(`  tunesmith data check ${join(folder, answers.data)} --model ${answers.model}`);
  terminal.print(`  tunesmith plan ${recipe}`);
  terminal.print(`  tunesmith train ${recipe}`);
}

function recipeText({ model, data, method }: Answers, folder: string): string {
  const located = modelOf(model);
  const place = 'path' in located ? { path: relative(folder, located.path) || '.' } : located;
  const recipe = {
    version: 1,
    model: place,
    data: { train: data, validation: 0.05 },
    method,
    trainer: { epochs: 3, batchSize: 8, schedule: { name: 'cosine', warmup: 0.03 } },
  };
  const head = '# yaml-language-server: $schema=./recipe.schema.json\n# Every key: tunesmith schema --markdown\n';
  return head + stringify(recipe);
}

async function ask(flags: InitFlags): Promise<Answers> {
  const { group, intro, text } = await import('@clack/prompts');
  const question = (message: string, key: keyof Answers) => async (): Promise<string | symbol> =>
    flags[key] ?? text({ message, initialValue: defaults[key] });
  intro('A recipe to start from');
  return group(
    {
      model: question('Model: a folder, or a name on the Hugging Face Hub', 'model'),
      data: question('Training data: JSON, JSONL, CSV, TSV, Parquet or text', 'data'),
      method: question('Method', 'method'),
    },
    {
      onCancel() {
        throw new TunesmithError('ABORTED', 'nothing was written');
      },
    },
  );
}

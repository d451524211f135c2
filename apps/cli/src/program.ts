import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addAnswer } from './commands/answer.js';
import { addBench } from './commands/bench.js';
import { addClassify } from './commands/classify.js';
import { addCombine } from './commands/combine.js';
import { addCut } from './commands/cut.js';
import { addData } from './commands/data.js';
import { addDoctor } from './commands/doctor.js';
import { addEmbed } from './commands/embed.js';
import { addEval } from './commands/eval.js';
import { addGenerate } from './commands/generate.js';
import { addInit } from './commands/init.js';
import { addMerge } from './commands/merge.js';
import { addPlan } from './commands/plan.js';
import { addPlugins } from './commands/plugins.js';
import { addResume } from './commands/resume.js';
import { addRuns } from './commands/runs.js';
import { addSchema } from './commands/schema.js';
import { addSequence } from './commands/sequence.js';
import { addTrain } from './commands/train.js';
import { addUpcycle } from './commands/upcycle.js';
import type { Terminal } from './terminal.js';

/** The command line: every command defined, none of what they need loaded. */
export function createProgram(terminal: Terminal): Command {
  const program = new Command('tunesmith')
    .description('Fine-tune transformer language models, without leaving Node.')
    .version(version())
    .showHelpAfterError('(tunesmith --help lists the commands)')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      // A bad flag is one line of JSON on stdout where JSON is asked for.
      writeErr: (text) => (terminal.json ? undefined : process.stderr.write(text)),
    });
  const add = [
    ...[
      addInit,
      addTrain,
      addResume,
      addSequence,
      addRuns,
      addEval,
      addGenerate,
      addClassify,
      addAnswer,
      addEmbed,
      addMerge,
    ],
    ...[addCombine, addUpcycle, addCut, addPlan, addBench, addData, addPlugins, addDoctor, addSchema],
  ];
  for (const addCommand of add) addCommand(program, terminal);
  return program;
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return manifest.version;
}

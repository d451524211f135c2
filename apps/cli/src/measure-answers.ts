import { writeFile } from 'node:fs/promises';
import { type AnswersEvaluation, evaluateAnswers, type LoadedModel, type Recipe } from '@tunesmith/runtime';
import { formatCount, formatLoss } from './format.js';
import type { Terminal } from './terminal.js';

const mostShown = 3;

/** Has a model answer the prompts of data, and prints what the answers are worth and the first of them. */
export async function answer(
  model: LoadedModel,
  data: Recipe['data'],
  { batchSize, maxTokens, answers: file }: { batchSize: number; maxTokens: number; answers?: string },
  terminal: Terminal,
): Promise<void> {
  const result = await evaluateAnswers(model, {
    ...{ data, batchSize, maxNewTokens: maxTokens },
    onPhase: terminal.status,
  });
  terminal.status('');
  if (file !== undefined) {
    await writeFile(file, result.answers.map((given) => `${JSON.stringify(given)}\n`).join(''));
  }
  if (terminal.json) return terminal.printJson(result);
  print(result, terminal);
}

function print({ rows, metrics, answers }: AnswersEvaluation, terminal: Terminal): void {
  for (const { prompt, expected, text } of answers.slice(0, mostShown)) {
    terminal.print(terminal.style('dim', oneLine(prompt)));
    terminal.print(`  said      ${oneLine(text)}`);
    terminal.print(`  expected  ${oneLine(expected)}`);
  }
  const shown = Object.entries(metrics).map(([name, value]) => `${name} ${formatLoss(value)}  `);
  terminal.print(`${shown.join('')}over ${formatCount(rows)} answers`);
}

/** The end of a long prompt is what asks. */
function oneLine(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length > 100 ? `… ${line.slice(-98)}` : line;
}

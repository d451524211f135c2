import { rename, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { type GivenRow, givenReport, reportHtml } from '@tunesmith/bench';
import { type ComparedTask, readRun, type SequenceComparison } from '@tunesmith/runtime';

/** Draws what a sequence's tasks came to as the bench draws its reports; returns the page's path. */
export async function writeComparison(file: string, output: string, comparison: SequenceComparison): Promise<string> {
  const { metric, higherIsBetter, data, device, prices } = comparison;
  const rows: GivenRow[] = [];
  const isMade = comparison.tasks.some(({ needs }) => needs.length > 0);
  for (const task of comparison.tasks) rows.push(await rowOf(task, isMade));
  const name = basename(file).replace(/\.\w+$/, '');
  const files = data.map((path) => basename(path)).join(', ');
  const withNeeds = comparison.tasks.filter(({ needs }) => needs.length > 0);
  const needs = withNeeds.map(({ task, needs: all }) => `that of ${task} with ${all.join(' and ')}`).join(', ');
  const report = givenReport({
    title: `${metric} on ${files}`,
    summary: `Each task’s model on the ${comparison.tasks[0]?.rows ?? 0} rows of ${files}, which none was trained on.${needs && ` Money is of all that a model was made from: ${needs}.`}`,
    // Answers are right to the letter at best; BLEU counts to 100.
    metric: {
      name: metric,
      higherIsBetter,
      chance: null,
      ceiling: metric === 'bleu' ? 100 : metric === 'loss' ? 0 : 1,
    },
    ...{ rows, prices },
    words: {
      surroundings: `A sequence of tasks, each trained once, on ${device}, ${cpus()[0]?.model.trim() ?? 'an unknown processor'}; written ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC. One run each: there are no intervals.`,
      row: ['task', 'Tasks'],
    },
  });
  const page = join(output, 'comparison.html');
  await writeFile(`${page}.tmp`, await reportHtml(report, name));
  await rename(`${page}.tmp`, page);
  return page;
}

/** What all that a model was made from took is of use where any was made from another. */
async function rowOf(task: ComparedTask, isMade: boolean): Promise<GivenRow> {
  const { recipe, metrics } = await readRun(task.run);
  const { model, data, objective, trainer, method } = recipe.value;
  const { trainSeconds, generateSeconds, totalSeconds, money, secondsPerAnswer } = task;
  return {
    ...{ name: task.task, quality: task.quality },
    values: {
      ...{ heldOutLoss: task.loss, trainSeconds, peakBytes: task.peakBytes },
      ...(generateSeconds > 0 && { generateSeconds }),
      ...(isMade && { totalSeconds }),
      ...(money !== null && { money }),
      ...{ trainedParameters: task.trainedParameters, parameters: task.parameters, modelBytes: task.modelBytes },
      ...(secondsPerAnswer !== null && { answerSeconds: secondsPerAnswer }),
    },
    learningRate: (trainer as { learningRate?: number }).learningRate ?? null,
    settings: { model, data, objective, method, trainer },
    curve: metrics.flatMap((line) => (line.type === 'evaluate' ? [{ step: line.step, value: line.loss }] : [])),
  };
}

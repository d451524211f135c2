import { isDeepStrictEqual } from 'node:util';
import { didYouMean, type Task, TunesmithError } from '@tunesmith/core';
import { resolveObjective } from '../objective/resolve-objective.js';
import { headOf } from '../objective/settings.js';
import { type LoadedRecipe, loadRecipe } from '../recipe/load-recipe.js';
import type { Sequence, SequenceTask, TaskStart } from './read-sequence.js';

/** The recipe of a task, a classification's labels those of all tasks that have its objective, so that one head is for all of them. */
export async function loadTask(
  sequence: Sequence,
  folders: readonly string[],
  roots: readonly string[],
  start?: TaskStart,
): Promise<LoadedRecipe> {
  const loaded = await loadRecipe(sequence.recipeOf(folders, start), roots);
  const { recipe, objectives } = loaded;
  const { settings } = sequence.tasks[folders.length - 1] as SequenceTask;
  const alike = sequence.tasks.filter((other) => isDeepStrictEqual(other.settings.objective, settings.objective));
  const train = alike.flatMap((task) => task.train);
  // An encoder beside the decoder is the model's own affair, and is seen to when the run begins.
  const objective = await resolveObjective(
    { objective: recipe.objective, data: { ...recipe.data, train: train.length > 0 ? train : recipe.data.train } },
    {},
    objectives,
  );
  return { ...loaded, recipe: { ...recipe, objective } };
}

/** What kind of model each task trains. Reads every recipe, so that what is wrong with the last is said before the first is trained. */
export async function taskKinds(
  sequence: Sequence,
  folders: readonly string[],
  roots: readonly string[],
): Promise<Task[]> {
  const kinds: Task[] = [];
  for (const [index, { name, rewardModel: judge, generate }] of sequence.tasks.entries()) {
    const rewardModel = judge === null ? undefined : folders[judge];
    const { recipe, objectives } = await loadTask(sequence, folders.slice(0, index + 1), roots, { rewardModel });
    kinds.push(headOf(recipe.objective, objectives).task);
    if (judge !== null && kinds[judge] !== 'sequence-classification') {
      throw new TunesmithError('CONFIG_INVALID', `"${sequence.tasks[judge]?.name}" leaves no reward model`, {
        ...{ where: `task ${name}, rewardModel`, expected: 'a task whose objective is reward' },
      });
    }
    if (generate !== null && !writesText(kinds[generate.by] as Task)) {
      throw new TunesmithError('CONFIG_INVALID', `"${sequence.tasks[generate.by]?.name}" writes no text`, {
        ...{ where: `task ${name}, generate.by`, expected: 'a task that learns answers' },
      });
    }
  }
  checkMetric(sequence, kinds);
  for (const [index, { name, gate }] of sequence.tasks.entries()) {
    const needed = gate === null ? [] : [index, gate.betterThan ?? index];
    const missing = needed.find((each) => !isCompared(sequence, kinds, each));
    if (missing === undefined) continue;
    throw new TunesmithError(
      'CONFIG_INVALID',
      `of "${sequence.tasks[missing]?.name}" no ${sequence.measure?.metric} is measured`,
      {
        ...{ where: `task ${name}, gate`, expected: 'tasks whose models do what the metric is of' },
      },
    );
  }
  return kinds;
}

/** Of words there are few metrics, so that a wrong name is found before hours are spent. @throws NAME_UNKNOWN */
function checkMetric({ measure }: Sequence, kinds: readonly Task[]): void {
  const known = [...answerMetrics, 'loss'];
  if (measure === null || known.includes(measure.metric) || !writesText(kinds.at(-1) as Task)) return;
  throw new TunesmithError('NAME_UNKNOWN', `nothing is measured that is called "${measure.metric}"`, {
    ...{ where: 'measure.metric', hint: didYouMean(measure.metric, known) },
  });
}

/** The task whose model a task begins with: the last before it, but for those that judge whole texts where it does not; none where it says a model. */
export function startOf(sequence: Sequence, kinds: readonly Task[], index: number): number | undefined {
  if (sequence.tasks[index]?.model !== null) return undefined;
  const isStart = (kind: Task): boolean => kind === kinds[index] || !wholeTexts.includes(kind);
  const found = kinds.slice(0, index).findLastIndex(isStart);
  return found === -1 ? undefined : found;
}

/** Metrics of answers that a model writes, of all that is expected word by word. */
export const answerMetrics = ['exactMatch', 'bleu', 'rougeL'] as const;

/** Whether a task's model has what tasks are compared by: an answer's metric those that write, and any other those that do what the last task's does. */
export function isCompared({ measure }: Sequence, kinds: readonly Task[], index: number): boolean {
  const kind = kinds[index] as Task;
  if (measure === null) return false;
  if (answerMetrics.some((name) => name === measure.metric)) return writesText(kind);
  return kind === kinds.at(-1) || (writesText(kind) && writesText(kinds.at(-1) as Task));
}

export function writesText(kind: Task): boolean {
  return kind === 'causal-lm' || kind === 'seq2seq-lm';
}

const wholeTexts: readonly Task[] = ['sequence-classification', 'embedding'];

import {
  type Json,
  type Judge,
  type LossTerm,
  type Model,
  type ModelRun,
  type Named,
  type Objective,
  type Rollouts,
  type RowValues,
  type Tensor,
  type Trace,
  TunesmithError,
  tf,
  tokenColumns,
} from '@tunesmith/core';
import { referenceAdapters, referenceRun } from '../reference/reference-options.js';
import { answerLogProbs } from './answer-log-probs.js';
import { klLoss } from './clipped-losses.js';
import { collapseWarnings, readCollapseMemory } from './collapse.js';
import { collateAnswers } from './collate-answers.js';
import type { RewardFunction } from './reward-function.js';
import { klOf, type Scored } from './scored.js';
import { endedScore } from './token-rewards.js';

/** What the options of every policy say of its answers. */
export interface PolicyOptions {
  readonly prompts: number;
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly missingEndPenalty: number;
  readonly referenceAdapter?: string | undefined;
}

/** What a policy's loss is made of: `[rows, tokens]` each, 0 where there is no token. */
export interface PolicyRun {
  readonly run: ModelRun;
  /** log π by the model as it is. */
  readonly logProbs: Tensor;
  /** log π/π_old. */
  readonly logRatios: Tensor;
  readonly mask: Tensor;
}

/** One way of learning from answers of the model's own. */
export interface Policy {
  readonly options: PolicyOptions;
  readonly answersEach: number;
  readonly epochs: number;
  readonly reward: RewardFunction;
  readonly judge?: Judge | undefined;
  /** Whether the reference's log-probabilities are asked for: the model's without what is trained. */
  readonly needsReference: boolean;
  /** Names of what the model gives of each token beside its log-probabilities, and that: `[rows, tokens]` each. */
  readonly measured?: readonly string[];
  readonly measure?: (model: Model, run: ModelRun, columns: Named<Tensor>, t: Trace) => Named<Tensor>;
  readonly methods?: Objective['methods'];
  /** Names of what `learn` gives of tokens and answers, beside what every policy has. */
  readonly perToken: readonly string[];
  readonly perAnswer: readonly string[];
  /** Numbers of answers of which the sum over a batch is a normaliser. */
  readonly summed?: readonly string[];
  /** What each answer is learnt by. The answers to a prompt lie beside each other. */
  learn(scored: readonly Scored[], memory: Json): { readonly values: readonly RowValues[]; readonly memory: Json };
  losses(policy: PolicyRun, model: Model, columns: Named<Tensor>, t: Trace): readonly LossTerm[];
  /** The most that the model may move, as KL(π_old ‖ π) of a token, before a rollout is given up. */
  readonly mostKl?: number | undefined;
}

const shared = ['reward', 'kl', 'length', 'ended'] as const;

/**
 * The objective of a policy: its rows are rollouts (`Objective.rollouts`), its metrics those that tell whether it learns. The loss that an
 * evaluation reports is −1 times the mean reward of held-out prompts, so that the least is the best.
 */
export function policyObjective(policy: Policy): Omit<Objective, 'name'> {
  const { options, reward, needsReference, perToken, perAnswer, summed = [], mostKl } = policy;
  const { temperature, maxNewTokens, missingEndPenalty, referenceAdapter } = options;
  if (referenceAdapter !== undefined && !needsReference) {
    throw new TunesmithError('CONFIG_INVALID', 'nothing is compared with a reference', {
      where: 'referenceAdapter',
      expected: 'a beta above 0 beside it',
      got: 'beta 0',
    });
  }
  const columnsOf = {
    maxNewTokens,
    perToken: ['old', ...perToken],
    perAnswer: [...shared, ...perAnswer],
    summed,
  };
  const measuring = (withReference: boolean): Pick<Rollouts, 'measured' | 'measure'> => ({
    measured: ['old', ...(withReference ? ['reference'] : []), ...(policy.measured ?? [])],
    measure(model, columns, t) {
      const bare = withReference ? referenceRun(model, columns, t, options) : null;
      const reference = bare && answerLogProbs(bare, columns, temperature);
      const run = model.run(t, tokenColumns(columns));
      return {
        old: answerLogProbs(run, columns, temperature),
        ...(reference && { reference }),
        ...policy.measure?.(model, run, columns, t),
      };
    },
  });
  return {
    ...(policy.methods && { methods: policy.methods }),
    ...referenceAdapters(options),
    collate: (rows, collate) => collateAnswers(rows, collate, columnsOf),
    losses(model, columns, t) {
      if (!t.training) return [mean('loss', tf.neg(columns.reward as Tensor)), ...metrics(columns)];
      const run = model.run(t, tokenColumns(columns));
      const logProbs = answerLogProbs(run, columns, temperature);
      const mask = columns.answerMask as Tensor;
      const logRatios = tf.sub(logProbs, tf.mul(columns.old as Tensor, mask));
      const terms = policy.losses({ run, logProbs, logRatios, mask }, model, columns, t);
      const moved = tf.sum(tf.mul(klLoss(logRatios, tf.zerosLike(logRatios)), mask));
      return [...terms, { name: 'kl_old', sum: moved, per: 'tokens', weight: 0 }, ...metrics(columns)];
    },
    rollouts: {
      prompts: options.prompts,
      answersEach: policy.answersEach,
      epochs: policy.epochs,
      sampling: { temperature, topP: options.topP, maxNewTokens },
      ...(policy.judge && { judge: policy.judge }),
      ...measuring(needsReference),
      ...(needsReference ? {} : { evaluated: measuring(true) }),
      async learn(answers, memory) {
        const { own, collapse } = splitMemory(memory);
        const scored: Scored[] = [];
        for (const answer of answers) {
          const { promptText: prompt, text, expected, length, ended, score: judged } = answer;
          const score = await reward({ prompt, text, expected, length, ended, score: judged });
          const { old, reference = null } = answer.measured as { old: Float32Array; reference?: Float32Array };
          scored.push({ answer, reward: endedScore(score, ended, missingEndPenalty), logProbs: old, reference });
        }
        const learnt = policy.learn(scored, own);
        const found = scored.map((each, index): RowValues => {
          const { perToken: tokens, perAnswer: numbers } = learnt.values[index] as RowValues;
          const { answer } = each;
          const always = { reward: each.reward, kl: klOf(each), length: answer.length, ended: Number(answer.ended) };
          return { perToken: { old: each.logProbs, ...tokens }, perAnswer: { ...always, ...numbers } };
        });
        const { warnings, memory: seen } = collapseWarnings(scored, readCollapseMemory(collapse));
        return { values: found, memory: { own: learnt.memory, collapse: seen }, warnings };
      },
      ...(mostKl === undefined ? {} : { isSpent: ({ kl_old: kl = 0 }: Named<number>) => kl > mostKl }),
    },
  };
}

function splitMemory(memory: Json): { own: Json; collapse: Json } {
  return memory === null ? { own: null, collapse: null } : (memory as { own: Json; collapse: Json });
}

/** A mean over answers; one that weighs 0 is a metric. */
export function mean(name: string, each: Tensor, weight?: number): LossTerm {
  return { name, sum: tf.sum(each), per: 'answers', ...(weight === undefined ? {} : { weight }) };
}

/** What rollouts were like: means over answers, and the entropy of a token, estimated by −log π of those that were drawn. */
function metrics(columns: Named<Tensor>): LossTerm[] {
  const entropy = tf.neg(tf.sum(tf.mul(columns.old as Tensor, columns.answerMask as Tensor)));
  return [
    ...shared.map((name) => mean(name, columns[name] as Tensor, 0)),
    { name: 'entropy', sum: entropy, per: 'tokens', weight: 0 },
  ];
}

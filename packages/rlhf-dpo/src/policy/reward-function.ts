import { type Answer, type Judge, TunesmithError } from '@tunesmith/core';
import { z } from 'zod';

/** What a reward is given for. */
export interface JudgedAnswer extends Pick<Answer, 'text' | 'expected' | 'length' | 'ended' | 'score'> {
  readonly prompt: string;
}

/** How good an answer is: any number, greater for better ones. */
export type RewardFunction = (answer: JudgedAnswer) => number | Promise<number>;

/** The options of the rewards that recipes know by name. */
export const rewardOptions = {
  reward: z
    .enum(['exact', 'contains', 'pattern', 'length', 'model'])
    .default('exact')
    .describe(
      'What an answer is worth: 1 or 0 for being what the data’s column `answer` says, for having that in it, or for having `pattern` in it; or 1 for `targetLength` tokens, less the more it is off; or what `rewardModel` says. Another is written as a plugin (`grpoWith`). This project’s choice.',
    ),
  pattern: z.string().min(1).optional().describe('A regular expression, for the reward `pattern`.'),
  targetLength: z.int().positive().optional().describe('Tokens, the end among them, for the reward `length`.'),
  rewardModel: z
    .string()
    .min(1)
    .optional()
    .describe('The folder of a reward model, for the reward `model`: a merged one, or an adapter over the same base.'),
  gateData: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe(
      'Preference data, a file or several, that the reward model is held to before training. None if not said.',
    ),
  leastAccuracy: z
    .number()
    .min(0)
    .max(1)
    .default(0.6)
    .describe(
      'Of how many pairs of `gateData` it must prefer the chosen answer; chance is 0.5. This project’s choice.',
    ),
};

export type RewardOptions = z.output<z.ZodObject<typeof rewardOptions>>;

/** The reward that options name. @throws CONFIG_INVALID where one is missing that it needs */
export function rewardOf(
  objective: string,
  { reward, pattern, targetLength, rewardModel }: Pick<RewardOptions, 'reward'> & Partial<RewardOptions>,
): RewardFunction {
  const missing = (option: string): TunesmithError =>
    new TunesmithError('CONFIG_INVALID', `the reward ${reward} needs it`, {
      ...{ where: `${objective}.${option}`, expected: 'a value', got: 'nothing' },
    });
  switch (reward) {
    case 'exact':
      return (answer) => Number(plain(answer.text) === plain(expectedOf(objective, answer)));
    case 'contains':
      return (answer) => Number(plain(answer.text).includes(plain(expectedOf(objective, answer))));
    case 'pattern': {
      if (pattern === undefined) throw missing('pattern');
      const expression = expressionOf(`${objective}.pattern`, pattern);
      return ({ text }) => Number(expression.test(text));
    }
    case 'length':
      if (targetLength === undefined) throw missing('targetLength');
      return ({ length }) => Math.max(0, 1 - Math.abs(length - targetLength) / targetLength);
    case 'model':
      if (rewardModel === undefined) throw missing('rewardModel');
      return ({ score }) => score as number;
  }
}

/** The reward model that options name, if they do. */
export function judgeOf({ reward, rewardModel: model, gateData, leastAccuracy }: RewardOptions): Judge | undefined {
  if (reward !== 'model' || model === undefined) return undefined;
  return { model, ...(gateData === undefined ? {} : { gate: { data: [gateData].flat(), accuracy: leastAccuracy } }) };
}

/** Without the spaces around it, and with one space where there are several. */
function plain(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}

function expectedOf(objective: string, { expected }: JudgedAnswer): string {
  if (expected !== null) return expected;
  throw new TunesmithError('DATA_INVALID', 'a prompt has no answer to compare with', {
    where: objective,
    expected: 'a column `answer` beside `prompt`',
  });
}

function expressionOf(where: string, pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'u');
  } catch (cause) {
    throw new TunesmithError('CONFIG_INVALID', (cause as Error).message, { where, got: pattern, cause });
  }
}

import { describe, expect, it } from 'vitest';
import { type JudgedAnswer, type RewardOptions, rewardOf } from './reward-function.js';

const judge = (options: Pick<RewardOptions, 'reward'> & Partial<RewardOptions>, answer: Partial<JudgedAnswer>) =>
  rewardOf('grpo', options)({ prompt: '', text: '', expected: null, length: 0, ended: true, score: null, ...answer });

describe('rewards by name', () => {
  it.each<[Parameters<typeof judge>[0], Partial<JudgedAnswer>, number]>([
    [{ reward: 'exact' }, { text: ' 42\n', expected: '42' }, 1],
    [{ reward: 'exact' }, { text: '42.', expected: '42' }, 0],
    [{ reward: 'contains' }, { text: 'It is  42 .', expected: 'is 42' }, 1],
    [{ reward: 'contains' }, { text: 'It is 24.', expected: '42' }, 0],
    [{ reward: 'pattern', pattern: '^\\d+$' }, { text: '42' }, 1],
    [{ reward: 'pattern', pattern: '^\\d+$' }, { text: 'x' }, 0],
    [{ reward: 'length', targetLength: 8 }, { length: 8 }, 1],
    [{ reward: 'length', targetLength: 8 }, { length: 6 }, 0.75],
    [{ reward: 'length', targetLength: 8 }, { length: 20 }, 0],
    [{ reward: 'model', rewardModel: 'judge' }, { score: -1.5 }, -1.5],
  ])('%o of %o', (options, answer, expected) => {
    expect(judge(options, answer)).toBe(expected);
  });

  it('say what they lack', () => {
    expect(() => judge({ reward: 'pattern' }, {})).toThrow(/grpo\.pattern: the reward pattern needs it/);
    expect(() => judge({ reward: 'length' }, {})).toThrow(/grpo\.targetLength: the reward length needs it/);
    expect(() => judge({ reward: 'pattern', pattern: '(' }, {})).toThrow(/CONFIG_INVALID at grpo\.pattern/);
    expect(() => judge({ reward: 'exact' }, { text: '42' })).toThrow(/no answer to compare with.*column `answer`/);
  });
});

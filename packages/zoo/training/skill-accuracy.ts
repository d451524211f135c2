import {
  type Backend,
  createRandom,
  createTrace,
  type HostTensor,
  type Model,
  type ParameterStore,
  type Program,
  sft,
  type Tensor,
  type TensorSpec,
  tf,
} from '@tunesmith/core';
import { loadChatTemplate, type Tokenizer, tokenizeExample } from '@tunesmith/data';
import { recipe } from './recipe.js';
import { skills } from './synthetic.js';

export interface SkillRun {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly backend: Backend;
  readonly tokenizer: Tokenizer;
  readonly words: readonly string[];
}

const exercises = 64;
const longest = 128;

/**
 * The share of exercises, new ones, that the model answers to the letter. An answer is greedy decoding's if each of its tokens
 * and the end token has the highest logit after the right ones before it, which one forward pass tells.
 */
export async function answeredShare({
  model,
  parameters,
  backend,
  tokenizer,
  words,
}: SkillRun): Promise<Record<string, number>> {
  const template = loadChatTemplate(tokenizer);
  const shares: Record<string, number> = {};
  for (const [name, skill] of Object.entries(skills)) {
    const rows = Array.from({ length: exercises }, (_, index) => {
      const { ask, answer } = skill(createRandom(recipe.seed + 1, name, index), words);
      const messages = [
        { role: 'user', content: ask },
        { role: 'assistant', content: answer },
      ];
      const example = { kind: 'chat', messages, promptMessages: 0 } as const;
      return tokenizeExample(example, { tokenizer, template, maxLength: longest, promptLossWeight: 0 }).rows[0];
    });
    const given = rows.filter((row) => row !== undefined);
    const { columns } = sft.collate(given, { rows: exercises, maxLength: longest, padToken: tokenizer.padId });
    const { ids, positions, targetPositions, targets, targetWeights } = columns as Record<string, HostTensor>;
    const inputs = { ids, positions, targetPositions } as Record<string, HostTensor>;
    const executable = await backend.compile(greedyProgram(model, parameters, inputs), parameters.tensors);
    const { best } = await executable.run(inputs);
    await executable.dispose();
    const wrong = new Set<number>();
    const width = ids?.shape[1] as number;
    targetWeights?.data.forEach((weight, index) => {
      const right = best?.data[index] === targets?.data[index];
      if (weight > 0 && !right) wrong.add(Math.floor((targetPositions?.data[index] as number) / width));
    });
    shares[name] = Number((1 - wrong.size / exercises).toFixed(2));
  }
  return shares;
}

/** The token with the highest logit at each target position. */
function greedyProgram(model: Model, parameters: ParameterStore, inputs: Record<string, HostTensor>): Program {
  const specs = Object.entries(inputs).map(([name, { shape, dtype }]) => [name, { shape, dtype }] as const);
  return {
    name: 'greedy',
    inputs: Object.fromEntries(specs) as Record<string, TensorSpec>,
    body(io) {
      const t = createTrace(io, {
        training: false,
        resolve: model.resolve,
        read: (handle) => parameters.readIn(io, handle),
      });
      const run = model.run(t, { ids: io.input('ids'), positions: io.input('positions') });
      const logits: Tensor = run.logits(io.input('targetPositions')); // [count, vocabulary]
      return { outputs: { best: tf.argMax(logits, -1) } };
    },
  };
}

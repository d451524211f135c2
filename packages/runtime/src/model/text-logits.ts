import { createTrace, type HostTensor, type Program, tf } from '@tunesmith/core';
import { encodeTexts } from '@tunesmith/data';
import { maxLengthOf } from '../train/resolve-recipe.js';
import type { LoadedModel } from './load-model.js';

/** The logits of each text, without dropout: `[tokens, vocabulary]`, or a classifier's `[labels]`. */
export async function textLogits(loaded: LoadedModel, texts: readonly string[]): Promise<Float32Array[]> {
  const { model, parameters, backend, tokenizer } = loaded;
  const results: Float32Array[] = [];
  for (const text of texts) {
    const { tokens } = encodeTexts(tokenizer, [text], maxLengthOf({}, model.shape));
    const ids = Int32Array.from(tokens);
    const executable = await backend.compile(logitsProgram(loaded, ids.length), parameters.tensors);
    try {
      const column = (data: Int32Array): HostTensor => ({ dtype: 'int32', shape: [1, ids.length], data });
      const { logits } = await executable.run({ ids: column(ids), positions: column(ids.map((_, index) => index)) });
      results.push(logits?.data as Float32Array);
    } finally {
      await executable.dispose();
    }
  }
  return results;
}

function logitsProgram({ model, parameters }: LoadedModel, length: number): Program {
  const spec = { shape: [1, length], dtype: 'int32' as const };
  return {
    name: `logits[${length}]`,
    inputs: { ids: spec, positions: spec },
    body(io) {
      const t = createTrace(io, {
        training: false,
        resolve: model.resolve,
        read: (handle) => parameters.readIn(io, handle),
        encoded: (handle) => parameters.encodedIn(io, handle),
      });
      const run = model.run(t, { ids: io.input('ids'), positions: io.input('positions') });
      const isClassifier = model.head.task === 'sequence-classification';
      return { outputs: { logits: isClassifier ? run.scores(tf.tensor1d([length - 1], 'int32')) : run.logits() } };
    },
  };
}

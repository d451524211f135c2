/** A model family of your own, the smallest that trains: it predicts each character from the one before it. */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import {
  adamw,
  buildModel,
  constantSchedule,
  createParameterStore,
  createTrainer,
  type Family,
  type InitContext,
  normal,
  randomKey,
  sft,
} from '@tunesmith/core';
import { full } from '@tunesmith/selective';
import { z } from 'zod';

const schema = z.object({ vocab_size: z.int(), hidden_size: z.int(), max_position_embeddings: z.int() });

const bigram: Family<z.output<typeof schema>> = {
  name: 'bigram',
  modelTypes: ['bigram'],
  parseConfig: (json) => schema.parse(json),
  describe: ({ vocab_size: vocabularySize, hidden_size: hiddenSize, max_position_embeddings: maxPositions }) => ({
    ...{ vocabularySize, hiddenSize, layers: 0, maxPositions },
  }),
  build(builder, { vocab_size: vocabulary, hidden_size: hidden }) {
    const embed = builder.embedding('embed', { role: 'embedding.token', rows: vocabulary, features: hidden });
    const head = builder.linear('lm_head', { role: 'head', inFeatures: hidden, outFeatures: vocabulary });
    return { head, hidden: (t, { ids }) => embed(t, ids) }; // [batch, seq] → [batch, seq, hidden]
  },
  defaultTargets: {},
};

const text = 'she sells sea shells by the sea shore; the shells she sells are sea shells for sure';
const characters = [...new Set(text)];
const tokens = Int32Array.from([...text], (character) => characters.indexOf(character));
const weights = new Float32Array(tokens.length).fill(1, 1); // nothing comes before the first

const config = { vocab_size: characters.length, hidden_size: 16, max_position_embeddings: 128 };
const model = buildModel({ family: bigram, config: bigram.parseConfig(config), methods: [full()] });
const backend = createOnnxBackend();
const parameters = createParameterStore(backend.createStore());
for (const handle of model.handles) {
  const context = { shape: handle.shape, key: randomKey(1, handle.path) } as InitContext;
  await parameters.write(handle, await normal(0.1)(context));
}

const trainer = await createTrainer({
  ...{ model, parameters, backend, objective: sft, optimizer: adamw(), schedule: constantSchedule() },
  ...{ learningRate: 0.1, weightDecay: 0, batchSize: 1, steps: 60, maxLength: 128, padToken: 0, seed: 1 },
  rows: {
    async *read(position) {
      for (let index = Number(position); ; index++) yield { row: { tokens, weights }, position: index + 1 };
    },
  },
});
for await (const event of trainer.run()) {
  if (event.type === 'step' && [1, 20, 40, 60].includes(event.step)) {
    console.log(`step ${event.step}  loss ${event.loss.toFixed(3)}`);
  }
}

// No model that sees one character can do better than the text's own conditional entropy.
const counts = new Map<string, Map<string, number>>();
for (let index = 1; index < text.length; index++) {
  const row = counts.get(text[index - 1]!) ?? new Map<string, number>();
  counts.set(text[index - 1]!, row.set(text[index]!, (row.get(text[index]!) ?? 0) + 1));
}
let entropy = 0;
for (const row of counts.values()) {
  const total = [...row.values()].reduce((sum, count) => sum + count, 0);
  for (const count of row.values()) entropy -= (count / (text.length - 1)) * Math.log(count / total);
}
console.log(`at best  ${entropy.toFixed(3)}`);

await trainer.dispose();
parameters.tensors.dispose();

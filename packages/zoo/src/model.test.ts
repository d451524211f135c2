import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openModelFolder } from '@tunesmith/checkpoints';
import {
  buildModel,
  createExecutableCache,
  createParameterStore,
  elementCount,
  evaluate,
  loadWeights,
  type Row,
  sft,
} from '@tunesmith/core';
import { loadChatTemplate, loadTokenizer, readExamples, tokenizeExample } from '@tunesmith/data';
import { llama } from '@tunesmith/models';
import { describe, expect, it } from 'vitest';
import { modelFacts, modelPath, quickstartFiles } from './index.js';

const tokenizer = await loadTokenizer(modelPath());

async function openModel() {
  const folder = await openModelFolder(modelPath());
  const model = buildModel({ family: llama, config: llama.parseConfig(folder.config) });
  return { folder, model };
}

it('is below 10 MB with all that is published', async () => {
  const root = join(modelPath(), '..');
  const sizes = await Promise.all(
    ['data', 'model', 'src'].map(async (part) => {
      const files = await readdir(join(root, part));
      const parts = await Promise.all(files.map((file) => stat(join(root, part, file))));
      return parts.reduce((sum, { size }) => sum + size, 0);
    }),
  );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  expect(total).toBeLessThan(10e6);
  expect(total).toBeGreaterThan(2 * modelFacts.parameters);
});

it('has the facts right', async () => {
  const { folder, model } = await openModel();
  const { tensors } = folder;
  const stored = tensors.names().map((name) => tensors.get(name)!);
  expect(stored.reduce((sum, { shape }) => sum + elementCount(shape), 0)).toBe(modelFacts.parameters);
  expect(new Set(stored.map(({ dtype }) => dtype))).toEqual(new Set(['F16']));
  expect(model.shape).toMatchObject({
    vocabularySize: modelFacts.vocabularySize,
    maxPositions: modelFacts.maxPositions,
  });
  expect(model.family.name).toBe(modelFacts.architecture);
  expect(tokenizer.vocabSize).toBe(modelFacts.vocabularySize);
  await folder.close();
});

describe('the tokenizer', () => {
  it.each([
    'The Congress of the United States, 1862.',
    '  two  spaces\n\nand\ttabs ',
    '你好，世界',
    'naïve 🙂👍🏽 café',
    'don’t — “stop”',
    '3 + 14 = 17',
    '\u0000\u007f',
  ])('gives %j back', (text) => {
    expect(tokenizer.decode(tokenizer.encode(text, { addSpecialTokens: false }))).toBe(text);
  });

  it('leaves bos to the chat template, and ends texts with eos and turns with <|end|>', () => {
    const id = (token: string) => tokenizer.tokenToId(token);
    expect(tokenizer.encode('a')).toEqual([id('a')]);
    expect(tokenizer).toMatchObject({ bosId: id('<|bos|>'), eosId: id('<|eos|>'), padId: id('<|pad|>') });
    expect(tokenizer.endIds).toEqual([id('<|eos|>'), id('<|end|>')]);
  });

  it('writes conversations with one token a role, and trains on answers', () => {
    const template = loadChatTemplate(tokenizer);
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: ' Why? ' },
      { role: 'assistant', content: 'So.' },
    ];
    expect(template?.render(messages)).toBe(
      '<|bos|><|system|>Be brief.<|end|><|user|>Why?<|end|><|assistant|>So.<|end|>',
    );
    expect(() => template?.render([{ role: 'tool', content: '1' }])).toThrow('The roles are');
    const example = { kind: 'chat', messages, promptMessages: 0 } as const;
    const [row] = tokenizeExample(example, { tokenizer, template, maxLength: 64, promptLossWeight: 0 }).rows;
    const trained = row?.tokens.filter((_, index) => row.weights[index] === 1) ?? [];
    expect(tokenizer.decode(trained)).toBe('So.<|end|>');
  });
});

it('knows English, and the form of an answer, but not the task of the quickstart', async () => {
  const { folder, model } = await openModel();
  const backend = createOnnxBackend({ threads: 1 });
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, folder.tensors, parameters);
  await folder.close();
  const executables = createExecutableCache(backend, parameters.tensors);
  const collate = { rows: 8, maxLength: modelFacts.maxPositions, padToken: tokenizer.padId };
  const lossOf = async (rows: readonly Row[]): Promise<number> =>
    (await evaluate(rows, { model, parameters, objective: sft, executables, collate })).loss;
  const textRow = (ids: readonly number[]): Row => ({
    tokens: Int32Array.from(ids),
    weights: Float32Array.from(ids, (_, index) => Math.min(index, 1)),
  });

  const english =
    'I am pleased to report that the people of the several States have, in the past year, given their support to ' +
    'the measures which Congress adopted for the improvement of our harbors and the protection of our commerce.';
  const ids = tokenizer.encode(english);
  const loss = await lossOf([textRow(ids)]);
  expect((loss * ids.length) / Math.LN2 / Buffer.byteLength(english)).toBeLessThan(1.8);
  expect(await lossOf([textRow(ids.toSorted((a, b) => a - b))])).toBeGreaterThan(1.5 * loss);

  const template = loadChatTemplate(tokenizer);
  const answers: Row[] = [];
  for await (const { example } of readExamples([quickstartFiles().heldOut])) {
    answers.push(...tokenizeExample(example, { tokenizer, template, maxLength: 128, promptLossWeight: 0 }).rows);
  }
  expect(answers).toHaveLength(40);
  expect(await lossOf(answers)).toBeGreaterThan(1);
  await executables.dispose();
});

/**
 * Answers that stand in a passage: logits against transformers, twenty steps of LoRA against PEFT + torch.optim.AdamW, rows against
 * run_qa.py's, measures against SQuAD's. How it was recorded: README.md beside this file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { createTfjsBackend } from '@tunesmith/backend-tfjs';
import { openModelFolder, openSafetensors, readPeftAdapter } from '@tunesmith/checkpoints';
import {
  bestAnswers,
  createExecutableCache,
  exportAdapter,
  type Family,
  predict,
  questionAnswering,
  questionAnsweringConfigSchema,
  type Row,
  squadScores,
  type TensorSource,
} from '@tunesmith/core';
import { loadTokenizer, tokenizeExample } from '@tunesmith/data';
import { lora } from '@tunesmith/lora';
import { bert, distilbert, electra, gpt2, llama, mistral, roberta } from '@tunesmith/models';
import { describeFamily, type FamilyCase, withoutBiases } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import {
  expectTensors,
  type Prepared,
  prepareModel,
  type RecordedCase,
  recordedCases,
  takeRecordedSteps,
} from './recorded-steps.js';

const topic = 'question-answering';
const folder = join(fixtures, topic);
const [rowsOfBatch, length] = [4, 16];
const objective = questionAnswering();

const bodies: readonly [Family, 'encoders' | 'families'][] = [
  [bert, 'encoders'],
  [roberta, 'encoders'],
  [distilbert, 'encoders'],
  [electra, 'encoders'],
  [llama, 'families'],
  [mistral, 'families'],
  [gpt2, 'families'],
];

/** A body of the other fixtures, with the head's weights of this one. */
function answering({ name }: Family, from: string): FamilyCase {
  return {
    name: `${name}, question-answering`,
    head: { task: 'question-answering' },
    disturbances: from === 'encoders' ? { biases: withoutBiases } : {},
    async load() {
      const { config, tensors } = await openModelFolder(join(fixtures, from, name));
      const expected = await openSafetensors(join(folder, `${name}.safetensors`));
      const head = expected.names().filter((tensor) => tensor.startsWith('qa_outputs.'));
      const weights: TensorSource = {
        names: () => [...new Set([...tensors.names(), ...head])],
        get: (tensor) => (head.includes(tensor) ? expected : tensors).get(tensor),
      };
      return { config, weights, expected };
    },
  };
}

for (const [family, from] of bodies) {
  const cases = [answering(family, from)];
  describeFamily({ family, cases, on: 'onnx-cpu', createBackend: () => createOnnxBackend({ device: 'cpu' }) });
}
describeFamily({
  ...{ family: bert, cases: [answering(bert, 'encoders')] },
  ...{ on: 'tfjs-cpu', createBackend: () => createTfjsBackend({ prefer: 'cpu' }) },
});

/** The five batches' rows, then those of the probe; padding cut off. */
async function recordedRows({ base }: RecordedCase): Promise<Row[]> {
  const file = await readFixture(join(folder, 'batches.safetensors'));
  const [ids, lengths, passages, begins, ends] = ['input_ids', 'lengths', 'passages', 'begins', 'ends'].map(
    (name) => file.get(name) as Float32Array,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
  return Array.from(lengths, (own, row): Row => {
    const passage = passages[row] as number;
    const weights = new Float32Array(own).fill(1, passage);
    weights[0] = 1;
    // Places are counted from the passage's beginning, behind the first token's.
    const place = (at: number): number => (at === 0 ? 0 : at - passage + 1);
    return {
      tokens: Int32Array.from(ids.subarray(row * length, row * length + own)),
      weights,
      ...(base.endsWith('/bert') && {
        tokenTypes: Int32Array.from({ length: own }, (_, at) => (at < passage ? 0 : 1)),
      }),
      labels: Float32Array.of(place(begins[row] as number), place(ends[row] as number)),
    };
  });
}

async function prepare(name: string, recorded: RecordedCase, state: 'initial' | 'final'): Promise<Prepared> {
  const adapter = await readPeftAdapter(join(folder, name, state));
  const method = lora(lora.definition.fromPeft?.(adapter.config) ?? {});
  const backend = createOnnxBackend({ device: 'cpu' });
  const prepared = await prepareModel(recorded.base, method, backend, adapter.tensors, objective);
  await adapter.close();
  return prepared;
}

describe.each(Object.entries(recordedCases(topic)))('%s', (name, recorded) => {
  it.each(['initial', 'final'] as const)('gives the logits of the %s adapter', async (state) => {
    const { model, parameters, backend } = await prepare(name, recorded, state);
    const [probe] = (await recordedRows(recorded)).slice(-rowsOfBatch) as [Row];
    const executables = createExecutableCache(backend, parameters.tensors);
    const collate = { rows: 1, maxLength: length, padToken: 1 };
    const expected = (await readFixture(join(folder, name, 'expected.safetensors'))).get(`probe_logits.${state}`);
    const places = [...probe.weights.keys()].filter((at) => probe.weights[at] === 1);
    const wanted = places.flatMap((at) => [...(expected?.subarray(2 * at, 2 * at + 2) ?? [])]);
    for await (const logits of predict([probe], { model, parameters, objective, executables, collate })) {
      expect(relativeError(Array.from(logits.subarray(0, wanted.length)), Float32Array.from(wanted))).toBeLessThan(
        1e-5,
      );
    }
    await executables.dispose();
    parameters.tensors.dispose();
  });

  it('takes the same steps as PEFT and torch', async () => {
    const prepared = await prepare(name, recorded, 'initial');
    const rows = (await recordedRows(recorded)).slice(0, -rowsOfBatch);
    await takeRecordedSteps(prepared, { topic, name, recorded, rows, objective });
    const { config, tensors } = await exportAdapter(prepared.model, prepared.method, prepared.parameters);
    const final = await readPeftAdapter(join(folder, name, 'final'));
    await expectTensors({ config, tensors }, final.tensors);
    expect(config).toMatchObject({ task_type: 'QUESTION_ANS', modules_to_save: ['qa_outputs'] });
    await final.close();
    prepared.parameters.tensors.dispose();
  });
});

interface RecordedRows {
  readonly tokenizer: string;
  readonly question: string;
  readonly context: string;
  readonly answers: { readonly text: string[]; readonly answer_start: number[] };
  readonly maxLength: number;
  readonly stride: number;
  readonly rows: readonly {
    readonly ids: number[];
    readonly types: number[];
    readonly passage: number[];
    readonly spans: [number, number][];
    readonly answer: [number, number];
  }[];
}

describe('rows of questions', () => {
  const all = JSON.parse(readFileSync(join(folder, 'rows.json'), 'utf8')) as RecordedRows[];
  const cases = all.map(
    (one) => [`${one.tokenizer}, ${one.maxLength}: ${one.question} ${one.answers.text}`, one] as const,
  );
  it.each(cases)("are run_qa.py's: %s", async (_, recorded) => {
    const tokenizer = await loadTokenizer(join(fixtures, 'texts', recorded.tokenizer));
    const { context, question, answers, maxLength, stride } = recorded;
    const starts = answers.answer_start.map((start) => Array.from(context).slice(0, start).join('').length);
    const example = {
      ...{ kind: 'question' as const, question: question.trimStart(), context },
      answers: answers.text.map((text, index) => ({ text, start: starts[index] as number })),
    };
    const passages = { overlap: stride, unanswerable: true };
    const { rows } = tokenizeExample(example, { tokenizer, template: null, maxLength, passages });
    const found = rows.map(({ tokens, tokenTypes, weights, labels, passage }) => {
      const places = [...weights.keys()].filter((at) => weights[at] === 1);
      const { offset = 0, spans = new Int32Array() } = passage ?? {};
      return {
        ids: [...tokens],
        types: [...(tokenTypes ?? new Int32Array(tokens.length))],
        passage: places.slice(1),
        spans: places.slice(1).map((__, at) => {
          const [start, end] = [0, 1].map((which) => offset + (spans[2 * at + which] as number)) as [number, number];
          return start === end ? null : [start, end];
        }),
        answer: [...(labels ?? [])].map((place) => places[place] as number),
      };
    });
    // Some tokenizers count the white space around a token in, and have tokens of nothing else.
    const trimmed = ([start, end]: readonly [number, number]): [number, number] | null => {
      const text = context.slice(start, end);
      const [from, to] = [start + text.length - text.trimStart().length, end - text.length + text.trimEnd().length];
      return text.trim() === '' ? null : [from, to];
    };
    const wanted = recorded.rows.map((row) => ({ ...row, spans: row.spans.map(trimmed) }));
    // An answer by where it stands: of a letter that is several tokens it begins and ends with others there. XLM-RoBERTa has one type of
    // token, and huggingface/tokenizers gives further parts another nevertheless.
    const places = (rows: typeof found | typeof wanted) =>
      rows.map(({ answer: [begin = 0, end = 0], passage: [first = 0], spans, types, ids }) => ({
        ...{ ids, first, spans, types: recorded.tokenizer === 'xlm-roberta' ? [] : types },
        answer: begin === 0 ? null : [spans[begin - first]?.[0], spans[end - first]?.[1]],
      }));
    expect(places(found)).toEqual(places(wanted));
  });
});

interface RecordedChoice {
  readonly options: object;
  readonly context: string;
  readonly spans: readonly (readonly [number, number])[];
  readonly parts: readonly { readonly words: [number, number]; readonly logits: readonly (readonly number[])[] }[];
  readonly answer: string;
  readonly nBest: readonly (readonly [string, number])[];
}

describe('answers to questions', () => {
  const all = JSON.parse(readFileSync(join(folder, 'choices.json'), 'utf8')) as RecordedChoice[];
  const cases = all.map((one, index) => [`${index}: ${JSON.stringify(one.options)}`, one] as const);
  it.each(cases)('are those that run_qa.py chooses, %s', (_, { options, context, spans, parts, ...wanted }) => {
    const predicted = parts.map(({ words: [from, to], logits }, part) => {
      const own = spans.slice(from, to);
      const [offset = 0, end = 0] = [own[0]?.[0], own.at(-1)?.[1]];
      const places = Int32Array.from(own.flat().map((place) => place - offset));
      const passage = { text: context.slice(offset, end), offset, spans: places, part, answers: [] };
      return { passage, logits: Float32Array.from(logits.flat()) };
    });
    const { answer, nBest } = bestAnswers(predicted, questionAnsweringConfigSchema.parse(options));
    expect(answer.text).toBe(wanted.answer);
    expect(nBest.map(({ text }) => text)).toEqual(wanted.nBest.map(([text]) => text));
    for (const [at, [, probability]] of wanted.nBest.entries()) {
      expect(nBest[at]?.probability).toBeCloseTo(probability, 6);
    }
  });
});

describe('squadScores', () => {
  const { all, cases } = JSON.parse(readFileSync(join(folder, 'squad.json'), 'utf8')) as {
    all: { exact_match: number; f1: number };
    cases: { answer: string; right: string[]; exact_match: number; f1: number }[];
  };
  it.each(cases)("are SQuAD's of '$answer'", ({ answer, right, exact_match: exact, f1 }) => {
    expect(squadScores([answer], [right])).toEqual({ exactMatch: expect.closeTo(exact, 6), f1: expect.closeTo(f1, 6) });
  });
  it('are their means over all', () => {
    const scores = squadScores(
      cases.map(({ answer }) => answer),
      cases.map(({ right }) => right),
    );
    expect(scores).toEqual({ exactMatch: expect.closeTo(all.exact_match, 6), f1: expect.closeTo(all.f1, 6) });
  });
});

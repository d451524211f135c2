/**
 * Trains a few steps with each method that PEFT has, writes the adapter and the merged model, and lets PEFT and transformers load them and compare
 * logits: `npm run build && npx tsx parity/peft-roundtrip.ts PYTHON [WORD]`, where PYTHON has what requirements.txt lists. With a word, those cases
 * alone whose name has it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openModelFolder, writeModelFolder, writePeftAdapter, writeSafetensors } from '@tunesmith/checkpoints';
import {
  adamw,
  buildModel,
  classification,
  constantSchedule,
  createParameterStore,
  createTrainer,
  exportAdapter,
  initialiseHandles,
  loadWeights,
  type Method,
  memoryTensor,
  mergedWeights,
  type Objective,
  questionAnswering,
  type Row,
  randomKey,
  randomUniform,
  type StoredTensor,
  sft,
} from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { adalora, lora } from '@tunesmith/lora';
import { familyFor } from '@tunesmith/models';
import { prefixTuning, promptTuning, pTuning, pTuningV2 } from '@tunesmith/prefix';
import { logitsOf, type ParityModel, scoresOf } from './logits.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const [python = 'python', word = ''] = process.argv.slice(2);
const shape = [2, 16] as const;

/** Bases are folders of `fixtures/families` or of another topic; those of `fixtures/encoders` classify if nothing is said. */
const cases: [name: string, base: string, method: Method, objective?: Objective][] = [
  ['q and v', 'llama', lora({ rank: 4, alpha: 8, dropout: 0.1 })],
  [
    'all linear, rsLoRA, patterns',
    'llama',
    lora({
      rank: 4,
      targetModules: 'all-linear',
      useRslora: true,
      rankPattern: { down_proj: 6 },
      alphaPattern: { q_proj: 2 },
    }),
  ],
  ['head saved, one layer left out', 'llama', lora({ rank: 4, layersToTransform: [1], modulesToSave: ['lm_head'] })],
  ['biases of the targets', 'qwen2', lora({ rank: 4, targetModules: ['q_proj', 'k_proj'], bias: 'lora_only' })],
  ['fused projection', 'gpt2', lora({ rank: 4, targetModules: ['c_attn', 'c_fc'] })],
  ['DoRA, all linear', 'llama', lora({ rank: 4, targetModules: 'all-linear', useDora: true })],
  ['DoRA, fused projection with its bias', 'gpt2', lora({ rank: 4, useDora: true })],
  [
    'PiSSA, patterns',
    'llama',
    lora({ initLoraWeights: 'pissa', rankPattern: { v_proj: 4 }, alphaPattern: { v_proj: 2 } }),
  ],
  [
    'OLoRA, rsLoRA, an embedding beside it',
    'gpt2',
    lora({ rank: 4, initLoraWeights: 'olora', useRslora: true, targetModules: ['c_attn', 'wpe'] }),
  ],
  ['PiSSA with DoRA', 'llama', lora({ rank: 4, initLoraWeights: 'pissa', useDora: true })],
  [
    'LoRA+, embedding and head',
    'llama',
    lora({ rank: 4, targetModules: ['embed_tokens', 'lm_head', 'q_proj'], loraPlusRatio: 4 }),
  ],
  ['DoRA, embedding', 'llama', lora({ rank: 4, targetModules: ['embed_tokens', 'q_proj'], useDora: true })],
  ['LoRA-FA', 'llama', lora({ rank: 4, useLoraFa: true })],
  [
    'tokens of embedding and head',
    'llama',
    lora({ rank: 4, trainableTokenIndices: { embed_tokens: [3, 10], lm_head: [3, 24] } }),
  ],
  ['tokens, tied', 'llama-tied', lora({ rank: 4, trainableTokenIndices: [3, 10, 24] })],
  ['AdaLoRA', 'llama', adalora({ initRank: 6, targetRank: 3, tinit: 2, tfinal: 3 })],
  [
    'AdaLoRA, two modules, every third step',
    'gpt2',
    adalora({ initRank: 6, targetRank: 3, deltaT: 3, targetModules: ['c_attn', 'c_fc'] }),
  ],
  ['experts', 'mixtral/mixtral', lora({ rank: 4, targetModules: ['w1', 'w2', 'w3'] })],
  [
    'experts by parameters, q',
    'mixtral/mixtral',
    lora({
      ...{ rank: 4, alpha: 16, targetModules: ['q_proj'] },
      targetParameters: ['mlp.experts.gate_up_proj', 'experts.down_proj'],
    }),
  ],
  ["IA³, the family's targets", 'llama', ia3()],
  [
    'IA³, all linear, head saved',
    'llama',
    ia3({ targetModules: 'all-linear', feedforwardModules: '.*(down|o)_proj', modulesToSave: ['lm_head'] }),
  ],
  ['IA³, fused projection with its bias', 'gpt2', ia3()],
  ['prefix', 'llama', prefixTuning({ virtualTokens: 6 })],
  ['projected prefix', 'gpt2', prefixTuning({ virtualTokens: 6, projection: true })],
  ['P-tuning v2', 'qwen2', pTuningV2({ virtualTokens: 6 })],
  ['prompt', 'llama', promptTuning({ virtualTokens: 6 })],
  ['prompt', 'gpt2', promptTuning({ virtualTokens: 6, init: 'random' })],
  ['P-tuning, MLP', 'llama', pTuning({ virtualTokens: 6 })],
  ['P-tuning, LSTM', 'gpt2', pTuning({ virtualTokens: 6, encoder: 'lstm', encoderSize: 16 })],
  ['a classifier, q and v', 'encoders/bert', lora({ rank: 4 })],
  ['a classifier, all linear, DoRA', 'encoders/roberta', lora({ rank: 4, targetModules: 'all-linear', useDora: true })],
  ['a classifier, q and v', 'encoders/distilbert', lora({ rank: 4, targetModules: ['q_lin', 'v_lin'] })],
  ['a classifier, AdaLoRA', 'encoders/electra', adalora({ initRank: 6, targetRank: 3, tinit: 2, tfinal: 3 })],
  ['a classifier, IA³', 'encoders/bert', ia3()],
  ['answers in passages, q and v', 'encoders/bert', lora({ rank: 4 }), questionAnswering()],
  [
    ...(['answers in passages, all linear, DoRA', 'encoders/roberta'] as const),
    ...([lora({ rank: 4, targetModules: 'all-linear', useDora: true }), questionAnswering()] as const),
  ],
  ['answers in passages, IA³', 'encoders/distilbert', ia3(), questionAnswering()],
  ['answers in passages, prefix', 'encoders/electra', prefixTuning({ virtualTokens: 6 }), questionAnswering()],
  ['answers in passages, q and v', 'llama', lora({ rank: 4 }), questionAnswering()],
  ['answers in passages, IA³', 'mistral', ia3(), questionAnswering()],
  ['answers in passages, biases of the targets', 'qwen2', lora({ rank: 4, bias: 'lora_only' }), questionAnswering()],
  [
    ...(['answers in passages, AdaLoRA', 'qwen3'] as const),
    ...([adalora({ initRank: 6, targetRank: 3, tinit: 2, tfinal: 3 }), questionAnswering()] as const),
  ],
  ['answers in passages, fused projection', 'gpt2', lora({ rank: 4 }), questionAnswering()],
  ['answers in passages, prompt', 'llama', promptTuning({ virtualTokens: 6 }), questionAnswering()],
];

const folder = mkdtempSync(join(tmpdir(), 'tunesmith-peft-'));
try {
  for (const [index, [name, base, method, objective]] of cases.entries()) {
    if (!name.includes(word)) continue;
    const usual = base.startsWith('encoders/') ? classification({ labels: 3 }) : sft;
    await roundtrip([name, base, method, objective ?? usual], join(folder, `${index}`));
  }
} finally {
  rmSync(folder, { recursive: true });
}

async function roundtrip(
  [name, base, method, objective]: readonly [string, string, Method, Objective],
  output: string,
): Promise<void> {
  const path = join(here, 'fixtures', base.includes('/') ? base : `families/${base}`);
  const checkpoint = await openModelFolder(path);
  const family = familyFor(checkpoint.config);
  const { task = 'causal-lm', labels = 0 } = objective;
  const model = buildModel({
    family,
    config: family.parseConfig(checkpoint.config),
    methods: [method],
    ...{ task, labels, checkpoint: checkpoint.tensors },
  });
  const backend = createOnnxBackend();
  const parameters = createParameterStore(backend.createStore());
  await loadWeights(model, checkpoint.tensors, parameters);
  await initialiseHandles(parameters, model.handles, 1);
  await trainSteps({ model, parameters, backend }, objective);

  const ids = Int32Array.from({ length: 32 }, (_, position) => (position * 7 + 3) % 90);
  const parts = { model, parameters, backend };
  const logits = await (task === 'sequence-classification' ? scoresOf(parts, ids, shape) : promptedLogits(parts, ids));
  const probe = `${output}.safetensors`;
  const tensors = [
    memoryTensor('input_ids', shape, Float32Array.from(ids)),
    memoryTensor('logits', logits.shape, logits.data),
  ];
  await writeSafetensors(probe, tensors);
  const adapter = await exportAdapter(model, method, parameters, backend);
  await writePeftAdapter(`${output}-adapter`, {
    config: { ...adapter.config, base_model_name_or_path: path } as Parameters<typeof writePeftAdapter>[1]['config'],
    tensors: adapter.tensors.map((tensor) => memoryTensor(tensor.name, tensor.shape, tensor.data)),
  });
  const mergeable = method.capabilities.mergeable;
  const merged = async function* (): AsyncGenerator<StoredTensor> {
    for await (const { handle, values } of mergedWeights(model, parameters))
      yield memoryTensor(handle.path, handle.shape, values);
  };
  if (mergeable) {
    await writeModelFolder(`${output}-merged`, { config: checkpoint.config as never, tensors: merged() });
  }
  await checkpoint.close();
  parameters.tensors.dispose();

  const compare = (...where: string[]): string => {
    const command = [join(here, 'peft_roundtrip.py'), ...where, '--ids', probe, '--logits', probe, '--task', task];
    const output = execFileSync(python, command, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const { relativeError, versions } = JSON.parse(output) as { relativeError: number; versions: object };
    return `${relativeError.toExponential(1)} | ${Object.entries(versions)
      .map((each) => each.join(' '))
      .join(', ')}`;
  };
  const [adapterError, versions] = compare('--model', path, '--adapter', `${output}-adapter`).split(' | ');
  const mergedError = mergeable ? compare('--merged', `${output}-merged`).split(' | ')[0] : 'not mergeable';
  process.stdout.write(`| ${base.split('/').at(-1)}: ${name} | ${adapterError} | ${mergedError} | ${versions} |\n`);
}

/** Logits behind the virtual tokens, and of these too: PEFT gives all. */
function promptedLogits(parts: ParityModel, ids: Int32Array): ReturnType<typeof logitsOf> {
  const [rows, length] = shape;
  const { virtualTokens } = parts.model;
  const texts = Array.from({ length: rows }, (_, row) => [
    ...virtualTokens,
    ...ids.subarray(row * length, (row + 1) * length),
  ]);
  return logitsOf(parts, texts.flat(), [rows, virtualTokens.length + length]);
}

/** Ten steps over random rows, so that every adapter weight has moved. */
async function trainSteps(parts: ParityModel, objective: Objective): Promise<void> {
  const key = randomKey(3, 'rows');
  const row = (index: number): Row => ({
    tokens: Int32Array.from({ length: 12 }, (_, at) => Math.floor(randomUniform(key, index * 12 + at) * 90)),
    weights: Float32Array.from({ length: 12 }, (_, at) => (at === 0 ? 0 : 1)),
    labels: objective.task === 'question-answering' ? Float32Array.of(index % 5, 6) : Float32Array.of(index % 3),
  });
  const trainer = await createTrainer({
    ...{
      ...parts,
      objective,
      optimizer: adamw(),
      schedule: constantSchedule(),
      learningRate: 2e-2,
      weightDecay: 0,
    },
    ...{ batchSize: 4, steps: 10, maxLength: 16, padToken: 0, seed: 1 },
    rows: {
      async *read(position) {
        for (let index = Number(position); ; index++) yield { row: row(index), position: index + 1 };
      },
    },
  });
  for await (const _event of trainer.run());
  await trainer.dispose();
}

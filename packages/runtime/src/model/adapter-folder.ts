import { access } from 'node:fs/promises';
import { join } from 'node:path';
import {
  adapterManifestFile,
  defineVersionedJson,
  openAdapter,
  writeAdapterHubAdapter,
  writePeftAdapter,
} from '@tunesmith/checkpoints';
import {
  type AdapterFormat,
  contrastiveConfigSchema,
  exportAdapter,
  importAdapter,
  type Method,
  type MethodFactory,
  memoryTensor,
  quantizationSchema,
  questionAnsweringConfigSchema,
  TunesmithError,
} from '@tunesmith/core';
import { z } from 'zod';
import { defaultObjective, labelScheme, type ObjectiveSettings } from '../objective/settings.js';
import type { LoadedModel } from './load-model.js';

const manifestSchema = z.strictObject({
  method: z.string(),
  config: z.record(z.string(), z.unknown()),
  /** Optimizer steps that it was trained for. */
  step: z.int(),
  /** The name of the chat template that it was trained with; null where that is the tokenizer's own. */
  template: z.string().nullable(),
  /** The stage of its method's run that it was saved in, where that has stages. */
  stage: z
    .object({ name: z.string(), memory: z.json(), moved: z.array(z.string()) })
    .nullable()
    .default(null),
  /** What it was trained for, with a classifier's labels or an embedder's options; null where that is to continue texts. */
  objective: z
    .union([
      z.object({
        name: z.enum(['classification', 'token-classification', 'masked-lm']),
        labels: z.array(z.string()).optional(),
        problemType: z.enum(['single-label', 'multi-label', 'regression']).default('single-label'),
      }),
      contrastiveConfigSchema.extend({ name: z.literal('contrastive') }),
      questionAnsweringConfigSchema.extend({ name: z.literal('question-answering') }),
    ])
    .nullable()
    .default(null),
  /** Whether it was trained with rows added to the vocabulary, so that it belongs to a base that has them. */
  resizeVocabulary: z.boolean().default(false),
  /** How the base's matrices were kept when it was trained; null: as the checkpoint has them. */
  quantization: z
    .union([z.literal('none'), quantizationSchema])
    .nullable()
    .default(null),
});

/** What PEFT's config of an adapter has no field for: `tunesmith.json`. */
export type AdapterManifest = z.output<typeof manifestSchema>;

const manifestFormat = defineVersionedJson({ kind: 'adapter manifest', version: 1, schema: manifestSchema });

/** The text of an adapter's `tunesmith.json`. */
export function adapterManifestText(manifest: AdapterManifest): string {
  return manifestFormat.format(manifest);
}

/** What an adapter folder says of itself, before its tensors are read. */
export interface AdapterDescription {
  readonly path: string;
  readonly format: AdapterFormat;
  /** What the folder says of the method, in its format's fields. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Null for an adapter that PEFT or AdapterHub saved. */
  readonly manifest: AdapterManifest | null;
}

/** Reads an adapter folder's descriptions. @throws FILE_MISSING, FILE_INVALID, API_VERSION */
export async function describeAdapter(path: string): Promise<AdapterDescription> {
  const adapter = await openAdapter(path);
  await adapter.close();
  const manifest = join(adapter.path, adapterManifestFile);
  return {
    path: adapter.path,
    format: adapter.format,
    config: adapter.config,
    manifest: (await isThere(manifest)) ? await manifestFormat.read(manifest) : null,
  };
}

/** The method, configured, that an adapter was trained with. @throws NAME_UNKNOWN where none of the factories' */
export function methodOfAdapter(adapter: AdapterDescription, factories: readonly MethodFactory[]): Method {
  const { factory, config } = configuredFactory(adapter, factories);
  return factory(config);
}

/** The factory that reads an adapter, and its config as that factory has it. @throws NAME_UNKNOWN */
export function configuredFactory(
  adapter: AdapterDescription,
  factories: readonly MethodFactory[],
): { factory: MethodFactory; config: Record<string, unknown> } {
  const { manifest, format, path } = adapter;
  for (const factory of factories) {
    const { name, fromPeft, fromAdapterHub } = factory.definition;
    if (manifest !== null && manifest.method !== name) continue;
    // The format's own config is the truth where the method reads it: other tools may have changed it.
    const read = format === 'peft' ? fromPeft : fromAdapterHub;
    const config = read === undefined ? manifest?.config : read({ ...adapter.config });
    if (config !== undefined && config !== null) return { factory, config };
  }
  throw new TunesmithError('NAME_UNKNOWN', 'no method given loads this adapter', {
    where: path,
    expected:
      manifest?.method ??
      (format === 'peft' ? `a method for PEFT's ${adapter.config.peft_type}` : "a method for AdapterHub's adapters"),
    got: factories.map(({ definition }) => definition.name).join(', '),
  });
}

/** Reads an adapter's tensors into a model that its method has patched. */
export async function loadAdapter({ model, parameters }: LoadedModel, method: Method, path: string): Promise<void> {
  const adapter = await openAdapter(path);
  try {
    await importAdapter(model, method, parameters, adapter.tensors);
  } finally {
    await adapter.close();
  }
}

/** Saves what a method trained, in PEFT's form or the method's own; `base` names the model that it belongs to. */
export async function saveAdapter(
  loaded: LoadedModel,
  method: Method,
  path: string,
  details: {
    readonly base: string;
    readonly revision?: string;
    readonly step: number;
    readonly template?: string;
    readonly objective?: ObjectiveSettings;
  },
): Promise<void> {
  const { model, parameters, backend, config: modelConfig, vocabularyBefore, quantization } = loaded;
  const adapter = await exportAdapter(model, method, parameters, backend);
  const { base, revision = null, step, template = null, objective = defaultObjective } = details;
  const tensors = adapter.tensors.map(({ name, shape, data }) => memoryTensor(name, shape, data));
  const manifest = adapterManifestText({
    method: method.name,
    config: method.config as AdapterManifest['config'],
    step,
    template,
    objective: manifestObjective(loaded, objective),
    stage: (method.stages === undefined ? null : model.stage) as AdapterManifest['stage'],
    resizeVocabulary: vocabularyBefore !== null,
    quantization,
  });
  if (adapter.format === 'adapterhub') {
    const { model_type: type, architectures } = modelConfig;
    const [architecture] = Array.isArray(architectures) ? architectures : [];
    await writeAdapterHubAdapter(path, {
      name: method.name,
      config: { ...adapter.config },
      model: { type: String(type), class: String(architecture), name: base, hiddenSize: model.shape.hiddenSize },
      tensors,
      manifest,
    });
    return;
  }
  await writePeftAdapter(path, {
    // A type that PEFT does not know makes it refuse the adapter, as it must.
    config: { peft_type: method.name.toUpperCase(), ...adapter.config, base_model_name_or_path: base, revision },
    tensors,
    manifest,
  });
}

/** What does the same is used alike, whatever it learnt from: texts are continued, or judged as a whole, or their words are. */
function manifestObjective(
  { model: { head }, objectives }: LoadedModel,
  objective: ObjectiveSettings,
): AdapterManifest['objective'] {
  if (head.task === 'causal-lm' || head.task === 'seq2seq-lm') return null;
  if (head.task === 'embedding' || head.task === 'question-answering') return objective as AdapterManifest['objective'];
  const scheme = labelScheme(objective, objectives);
  return {
    name: head.task === 'masked-lm' || head.task === 'token-classification' ? head.task : 'classification',
    problemType: scheme?.problemType ?? 'single-label',
    ...(scheme === null ? {} : { labels: [...scheme.names] }),
  };
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

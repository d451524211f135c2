import { quantizationSchema } from '@tunesmith/core';
import type { FormatName } from '@tunesmith/data';
import { z } from 'zod';
import { ownObjectives } from '../objective/settings.js';
import { expertSettings } from './expert-settings.js';

/** The version of the recipe format that this release writes. */
export const recipeVersion = 1;

const files = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

const model = z
  .strictObject({
    path: z.string().min(1).optional().describe('Folder of a Hugging Face model, or a GGUF file. Give this or `name`.'),
    name: z.string().min(1).optional().describe('Name on the Hugging Face Hub, such as `HuggingFaceTB/SmolLM2-135M`.'),
    revision: z
      .string()
      .min(1)
      .optional()
      .describe('Branch, tag or commit on the Hub; `main` if not said, as huggingface_hub has it.'),
    dtype: z
      .enum(['auto', 'float32', 'float16', 'bfloat16'])
      .default('auto')
      .describe(
        'How frozen weights are held in memory; computation is float32. `auto` keeps the checkpoint’s own type, as ' +
          '`dtype="auto"` of transformers. Of 16 bits on the CPU; WebGPU holds them as float32.',
      ),
    resizeVocabulary: z
      .boolean()
      .default(false)
      .describe(
        'Add rows to the embedding, and to a head of its own, for tokens of the tokenizer that they have none for; each ' +
          'starts as the mean of the others, as transformers’ `resize_token_embeddings` has it. Refused where nothing ' +
          'trains them.',
      ),
    quantization: z
      .union([z.literal('none'), quantizationSchema])
      .optional()
      .describe(
        'Keep the matrices of the blocks in 4 bits (`load_in_4bit` of transformers), or `none` of them. If not said, as ' +
          'the checkpoint has them, and where that is not quantised, as the method does by default.',
      ),
    experts: expertSettings
      .optional()
      .describe('How a mixture of experts is trained. Refused for a model without experts.'),
    adapters: z
      .record(z.string().min(1), z.string().min(1))
      .optional()
      .describe(
        'Folders of saved adapters by names, kept frozen beside what is trained: what an objective’s `referenceAdapter` ' +
          'names, and `start`. Each is read by a method of the recipe. None if not said.',
      ),
    start: z
      .string()
      .min(1)
      .optional()
      .describe(
        'The one of `adapters` whose values the trained method starts with, of the same options. Its own initial values if not said.',
      ),
  })
  .refine(({ path, name }) => (path === undefined) !== (name === undefined), {
    message: 'give either `path` or `name`',
  })
  .refine(({ adapters = {}, start }) => start === undefined || start in adapters, {
    message: '`start` names one of `adapters`',
  })
  .refine(({ name, revision }) => revision === undefined || name !== undefined, {
    message: '`revision` goes with `name`',
  })
  .describe('The base model.');

const data = z
  .strictObject({
    train: files.describe('Training data: JSON, JSONL, CSV, TSV, Parquet or text files.'),
    validation: z
      .union([z.number().gt(0).lt(1), files])
      .optional()
      .describe('Held-out data: files, or the share of the training rows to hold out. None if not said.'),
    taskTemperature: z
      .number()
      .min(1)
      .optional()
      .describe(
        'Take each training file for a task, and of each a share of the rows by its size to the power 1/T (Raffel et al. 2020, §3.5.2): 1 by size, as it is without, the higher the more alike. Off if not said.',
      ),
    target: files
      .optional()
      .describe(
        'Texts without labels of the domain that a classifier is to work in, beside labelled ones of another in `train`, for objectives that learn from both (`dann`): half of the rows. None if not said.',
      ),
    earlier: z
      .union([z.string().min(1), z.array(z.string().min(1))])
      .optional()
      .describe(
        'Data of tasks that the model has learnt before, for methods that keep to them (`ewc`) and for `replay`; an empty list where there is none yet.',
      ),
    replay: z
      .number()
      .min(0)
      .lt(1)
      .optional()
      .describe(
        'Share of the training rows that are rows of `earlier` instead, evenly between the others: experience replay. None if not said; CLEAR (Rolnick et al. 2019) takes half.',
      ),
    replayBuffer: z
      .int()
      .min(1)
      .optional()
      .describe(
        'Most rows of `earlier` that are replayed, however many tasks there were: a reservoir (Vitter 1985), in which each has the same chance. All if not said.',
      ),
    format: z
      .enum([
        ...['messages', 'sharegpt', 'prompt-completion', 'alpaca', 'text', 'labelled', 'labelled-pair'],
        ...['anchor-positive', 'scored-pair', 'squad'],
        ...['preference', 'preference-sharegpt', 'preference-alpaca'],
        ...['rated', 'rated-messages', 'rated-sharegpt', 'rated-alpaca', 'prompt'],
      ] as const satisfies readonly FormatName[])
      .optional()
      .describe('How rows become examples; detected from the columns if not said.'),
    columns: z
      .record(z.string(), z.string())
      .optional()
      .describe('What the file calls a column of the format, such as `{ prompt: question }`.'),
    header: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('The columns’ names, in order, of CSV and TSV files whose first line is not they.'),
    template: z
      .string()
      .optional()
      .describe('Chat template: one of the tokenizer’s by name, `chatml`, or `none`. The tokenizer’s own if not said.'),
    promptLossWeight: z
      .number()
      .min(0)
      .max(1)
      .default(0.1)
      .describe(
        'Loss weight of prompt tokens, answers weighing 1. 0 trains answers alone and computes no logits for prompts. ' +
          '0.1 is this project’s choice; OpenAI’s fine-tunes endpoint of 2022, where the parameter is from, had 0.01.',
      ),
    trainOnHistory: z
      .boolean()
      .default(true)
      .describe('Train every answer of a conversation, not only the last, as torchtune and Axolotl do by default.'),
    maxLength: z
      .int()
      .min(2)
      .optional()
      .describe(
        'Most tokens in a row; longer examples are truncated, prompts first. 512 if not said (Stanford Alpaca’s ' +
          '`model_max_length`), or what the model’s positions allow.',
      ),
    longText: z
      .enum(['split', 'truncate'])
      .default('split')
      .describe(
        'What becomes of plain text longer than a row; language modelling splits it (transformers’ run_clm.py).',
      ),
    packing: z
      .boolean()
      .default(false)
      .describe('Pack several examples into a row, none seeing another. Off by default, as in TRL’s SFTConfig.'),
    shuffle: z.boolean().default(true).describe('Shuffle the training rows each epoch, as PyTorch’s RandomSampler.'),
  })
  .describe('What is learnt from.');

const objective = z
  .strictObject({
    name: z
      .enum(ownObjectives)
      .default('sft')
      .describe(
        'What is learnt: answers token by token (`seq2seq`, which `sft` stands for too, where an encoder reads the prompts), labels of whole texts or of words (`token-classification`), or tokens that are hidden; or, with options of their own beside the name, answers that stand in a passage (`question-answering`), vectors of texts (`contrastive`), or what a plugin offers. The first is this project’s choice.',
      ),
    answerStart: z
      .int()
      .nonnegative()
      .optional()
      .describe(
        'Seq2seq: the token that every answer begins with; config.json’s `decoder_start_token_id` if not said.',
      ),
    labels: z
      .union([z.int().min(1), z.array(z.string().min(1)).min(1)])
      .optional()
      .describe(
        'Classification, of texts or words: the labels in the order of the model’s logits, or how many there are. Those of the training data if not said.',
      ),
    problemType: z
      .enum(['single-label', 'multi-label', 'regression'])
      .default('single-label')
      .describe(
        'Classification: one label each, any number of them, or numbers (`problem_type` of transformers’ configs).',
      ),
    maskShare: z
      .number()
      .gt(0)
      .lt(1)
      .default(0.15)
      .describe(
        'Masked-LM: share of the tokens that are to be found (Devlin et al. 2018, §3.1; `mlm_probability` of transformers).',
      ),
  })
  .prefault({})
  .describe('What is minimised.');

const trainer = z
  .strictObject({
    steps: z.int().min(1).optional().describe('Optimizer steps. Overrides `epochs`, as `max_steps` of transformers.'),
    epochs: z
      .number()
      .positive()
      .default(3)
      .describe('Passes over the training data (`num_train_epochs` of transformers’ TrainingArguments).'),
    batchSize: z
      .int()
      .min(1)
      .default(8)
      .describe('Rows of one micro-batch (`per_device_train_batch_size` of TrainingArguments).'),
    gradientAccumulation: z
      .int()
      .min(1)
      .default(1)
      .describe('Micro-batches of one optimizer step; equal to one batch of that many rows (TrainingArguments: 1).'),
    accumulateApart: z
      .boolean()
      .default(false)
      .describe(
        'Let each micro-batch be a batch of its own where a loss is of a batch as a whole (`kto`, `aot`), as TRL does: another division of the same rows is then another loss. Without it such losses refuse to accumulate; this project’s choice.',
      ),
    learningRate: z
      .number()
      .positive()
      .optional()
      .describe(
        'Peak learning rate. If not said, the method’s own default, else 2e-4 (QLoRA, Dettmers et al. 2023, table 9), ' +
          'and 2e-5 where a method trains the base model’s own weights (TRL’s SFTConfig, Stanford Alpaca); the least of ' +
          'several methods’.',
      ),
    schedule: z
      .strictObject({
        name: z
          .enum(['constant', 'linear', 'cosine', 'slanted-triangular'])
          .default('linear')
          .describe('How the learning rate falls (`lr_scheduler_type` of TrainingArguments: linear).'),
        warmup: z
          .number()
          .min(0)
          .optional()
          .describe(
            'Steps of linear rise at the start, or a share of the run below 1. If not said, 0 (TrainingArguments), and ' +
              'for slanted-triangular 0.1 (`cut_frac` of ULMFiT, Howard and Ruder 2018, §3.2).',
          ),
      })
      .prefault({})
      .describe('The learning rate over the run.'),
    optimizer: z
      .strictObject({
        name: z.enum(['adamw', 'sgd']).default('adamw').describe('The update rule (TrainingArguments: AdamW).'),
        beta1: z.number().min(0).lt(1).default(0.9).describe('AdamW: decay of the mean (torch.optim.AdamW).'),
        beta2: z.number().min(0).lt(1).default(0.999).describe('AdamW: decay of the variance (torch.optim.AdamW).'),
        epsilon: z.number().positive().default(1e-8).describe('AdamW: added to the deviation (torch.optim.AdamW).'),
        momentum: z.number().min(0).lt(1).default(0).describe('SGD: momentum (torch.optim.SGD).'),
        stateBits: z
          .literal([32, 8])
          .default(32)
          .describe(
            'Bits of each value of its state. 8: in blocks of 256, as `adamw_bnb_8bit` of TrainingArguments, but for parameters ' +
              'of fewer than 4,096 elements (bitsandbytes). Default: 32, as `adamw_torch`.',
          ),
      })
      .prefault({})
      .describe('How parameters move.'),
    weightDecay: z
      .number()
      .min(0)
      .default(0)
      .describe('Decoupled weight decay of matrices; norms and biases have none (TrainingArguments: 0).'),
    clipNorm: z
      .number()
      .min(0)
      .default(1)
      .describe('Largest global norm of the gradients; 0 does not clip (`max_grad_norm` of TrainingArguments: 1).'),
    checkpointEvery: z
      .int()
      .min(1)
      .default(500)
      .describe('Steps between checkpoints; the last step always has one (`save_steps` of TrainingArguments: 500).'),
    keepCheckpoints: z
      .int()
      .min(1)
      .default(2)
      .describe(
        'Newest checkpoints kept, beside the best one; this project’s choice: one to resume from and one spare.',
      ),
    evaluateEvery: z
      .int()
      .min(1)
      .default(500)
      .describe('Steps between evaluations; the last step always has one (`eval_steps` of TrainingArguments: 500).'),
    earlyStopping: z
      .strictObject({
        patience: z.int().min(1).describe('Evaluations in a row without improvement before the run ends.'),
        minimumImprovement: z
          .number()
          .min(0)
          .default(0)
          .describe('By how much the loss must fall to count (EarlyStoppingCallback of transformers: 0).'),
      })
      .optional()
      .describe('Ends a run that no longer improves. Off if not said. Needs `data.validation`.'),
    samplePrompts: z
      .array(
        z.union([
          z.string().min(1),
          z.array(z.strictObject({ role: z.string().min(1), content: z.string().min(1) })).min(1),
        ]),
      )
      .default([])
      .describe(
        'What the model continues, greedily, at each evaluation: texts, or messages that the chat template renders. None by default.',
      ),
    sampleTokens: z
      .int()
      .min(1)
      .default(48)
      .describe('Most tokens of such a sample; this project’s choice: about three lines.'),
    gradientCheckpointing: z
      .boolean()
      .default(false)
      .describe('Keep block inputs only and compute the rest again: less memory, more time (TrainingArguments: off).'),
    mostPrograms: z
      .int()
      .min(1)
      .default(8)
      .describe(
        'Compiled programs kept at once, one for each shape of batch. Each keeps the memory of its largest step: fewer take less, and are compiled again when their shape comes back. This project’s choice.',
      ),
    seed: z.int().min(0).default(42).describe('Of initial values, dropout and shuffling (TrainingArguments: 42).'),
  })
  .prefault({})
  .describe('How long and how it is trained.');

/** A recipe without the blocks of its methods, which are theirs to describe. */
export const recipeSchema = z.strictObject({
  $schema: z.string().optional().describe('Where editors find this schema; ignored.'),
  version: z.literal(recipeVersion).default(recipeVersion).describe('Version of the recipe format.'),
  model,
  data,
  objective,
  method: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .describe('The method, or several, the first innermost. A block of the same name configures each.'),
  plugins: z
    .array(z.string().min(1))
    .default([])
    .describe('Packages or files that offer methods and are imported whatever their manifest says. They execute code.'),
  trainer,
  metrics: z
    .strictObject({
      tensorboard: z
        .boolean()
        .default(false)
        .describe('Write TensorBoard event files too; off, as nothing asks for it.'),
    })
    .prefault({})
    .describe('What is recorded beside metrics.jsonl.'),
  device: z
    .enum(['cpu', 'webgpu', 'cuda', 'tfjs'])
    .default('cpu')
    .describe('What computes: ONNX Runtime on CPU, WebGPU or CUDA, or the best TensorFlow.js backend installed.'),
  previous: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Folder of the run before on the same weights, for methods that go on with what they kept in it (`ewc`). None if not said.',
    ),
  output: z
    .string()
    .min(1)
    .optional()
    .describe('The run’s folder; `runs/<model>-<method>`, numbered if taken, if not said.'),
});

/** What a recipe file may say, beside its methods' blocks. */
export type RecipeInput = z.input<typeof recipeSchema> & { readonly [method: string]: unknown };

/** Types a TypeScript recipe: `export default defineRecipe({ … })`. */
export function defineRecipe(recipe: RecipeInput): RecipeInput {
  return recipe;
}

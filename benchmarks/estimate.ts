/**
 * `npm run bench:estimate`: what `plan` says a run takes against the peak that it took, on shapes that the estimate's
 * constants were not fitted on, with and without gradient checkpointing and accumulation.
 */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { adamw, chain, clipByGlobalNorm, estimateTraining, sft } from '@tunesmith/core';
import { runCase } from './run-case.js';
import { buildShape, defaults, type StepOptions } from './step-options.js';

const backend = createOnnxBackend({ device: 'cpu' });
const cases: Partial<StepOptions>[] = (['stories-15m', 'stories-42m', 'wide-80m'] as const).flatMap((shape) =>
  [false, true].flatMap((checkpointing) =>
    [1, 2].map(
      (accumulation): Partial<StepOptions> => ({
        shape,
        method: 'lora-all',
        rows: 4,
        length: 256,
        checkpointing,
        accumulation,
        steps: 1,
      }),
    ),
  ),
);

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
process.stdout.write(
  '| shape | checkpointing | accumulation | estimated | measured | ratio |\n| --- | --- | --- | --- | --- | --- |\n',
);
let worst = 1;
for (const given of cases) {
  const options = { ...defaults, ...given };
  const estimate = await estimateTraining({
    model: buildShape(options),
    backend,
    objective: sft,
    optimizer: chain(clipByGlobalNorm(1), adamw()),
    batchSize: options.rows,
    gradientAccumulation: options.accumulation,
    gradientCheckpointing: options.checkpointing,
    length: options.length,
  });
  const { peakBytes } = await runCase(options);
  const ratio = estimate.peakBytes / peakBytes;
  worst = Math.max(worst, ratio, 1 / ratio);
  process.stdout.write(
    `| ${options.shape} | ${options.checkpointing ? 'on' : 'off'} | ${options.accumulation} | ${megabytes(estimate.peakBytes)} | ${megabytes(peakBytes)} | ${ratio.toFixed(2)} |\n`,
  );
}
process.stdout.write(`\nFarthest: ${((worst - 1) * 100).toFixed(0)} %\n`);

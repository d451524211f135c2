import type { RunPlan } from '@tunesmith/runtime';
import { formatBytes, formatCount, formatDuration, formatShare } from './format.js';
import type { Terminal } from './terminal.js';

export function printPlan(plan: RunPlan, terminal: Terminal): void {
  const { family, sites, elsewhere, trainedParameters, totalParameters, rows, length, estimate, time, saving } = plan;
  const width = Math.max(4, ...sites.map(({ path }) => path.length));
  terminal.print(terminal.style('bold', `${'site'.padEnd(width)}  ${'role'.padEnd(18)}  trained  by`));
  for (const site of sites) {
    const trained = formatCount(site.trainedParameters).padStart(7);
    const by = site.methods.join(', ') || 'its own weights';
    terminal.print(`${site.path.padEnd(width)}  ${site.role.padEnd(18)}  ${trained}  ${by}`);
  }
  if (elsewhere > 0)
    terminal.print(`${'(no site)'.padEnd(width)}  ${''.padEnd(18)}  ${formatCount(elsewhere).padStart(7)}`);
  terminal.print();
  const share = formatShare(trainedParameters, totalParameters);
  terminal.print(
    `${family}: ${formatCount(trainedParameters)} of ${formatCount(totalParameters)} parameters train (${share}), at ${formatCount(sites.length)} sites`,
  );
  if (saving !== null) {
    const { values, checkpointBytes, keptBytes } = saving;
    const saved = checkpointBytes - keptBytes;
    terminal.print(
      `quantised: ${formatCount(values)} values in ${formatBytes(keptBytes)}, ${((8 * keptBytes) / values).toFixed(3)} bits each, ` +
        (saved === 0
          ? 'as the checkpoint has them'
          : `where the checkpoint has ${formatBytes(checkpointBytes)}: ${formatBytes(Math.abs(saved))} ${saved > 0 ? 'less' : 'more'}`),
    );
  }
  if (estimate === null || time === null) {
    terminal.print('This device cannot estimate memory and time.');
    return;
  }
  const parts = [
    ['weights', estimate.weightBytes],
    ['optimizer', estimate.optimizerBytes + estimate.gradientBytes + estimate.updateBytes],
    ['activations', estimate.activationBytes + estimate.fedBytes],
    ['runtime', estimate.runtimeBytes],
  ] as const;
  // At its most either while it computes or while it writes a checkpoint.
  const writing = estimate.peakBytes - parts.reduce((sum, [, size]) => sum + size, 0);
  const sizes = [...parts, ...(writing > 0 ? [['a checkpoint in writing', writing] as const] : [])]
    .map(([name, size]) => `${name} ${formatBytes(size)}`)
    .join(', ');
  terminal.print(`memory: about ${terminal.style('bold', formatBytes(estimate.peakBytes))} at its peak (${sizes})`);
  printBases(plan, terminal);
  const { steps, secondsPerStep, seconds } = time;
  terminal.print(
    `time: about ${terminal.style('bold', formatDuration(seconds))} with evaluations, ${formatCount(steps)} steps over ${formatCount(rows)} rows ` +
      `of up to ${formatCount(length)} tokens, ${secondsPerStep.toPrecision(2)} s each on average`,
  );
}

/** The run's peak over the base in each form, and whether this machine has that much memory. */
function printBases({ bases, memoryBytes }: RunPlan, terminal: Terminal): void {
  const shown = bases.map(({ name, peakBytes, fits, chosen }) => {
    const text = `${name} ${formatBytes(peakBytes)} ${fits ? 'fits' : 'does not fit'}`;
    return chosen ? terminal.style('bold', `${text} (this recipe)`) : text;
  });
  terminal.print(`base: with ${formatBytes(memoryBytes)} of memory here, ${shown.join('; ')}`);
}

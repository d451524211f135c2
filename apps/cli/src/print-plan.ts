import type { RunPlan } from '@tunesmith/runtime';
import { formatBytes, formatCount, formatShare } from './format.js';
import type { Terminal } from './terminal.js';

export function printPlan(plan: RunPlan, terminal: Terminal): void {
  const { family, sites, elsewhere, trainedParameters, totalParameters, bytes } = plan;
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
  const parts = [
    ['frozen weights', bytes.weights],
    ['trained', bytes.trained],
    ['optimizer', bytes.optimizer],
    ['accumulated gradients', bytes.accumulated],
  ] as const;
  const sizes = parts.filter(([, size]) => size > 0).map(([name, size]) => `${name} ${formatBytes(size)}`);
  terminal.print(`in memory all the time: ${sizes.join(', ')}; activations come on top`);
}

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startEnergyMeter } from './energy.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'energy-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function writeZone(name: string, microjoules: number): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, 'energy_uj'), `${microjoules}\n`);
  await writeFile(join(folder, name, 'max_energy_range_uj'), '10000000\n');
}

it('adds up packages, over a counter that starts again, and not the parts of them', async () => {
  await writeZone('intel-rapl:0', 9_000_000);
  await writeZone('intel-rapl:1', 1_000_000);
  await writeZone('intel-rapl:0:0', 0);
  const meter = await startEnergyMeter(folder);
  await writeZone('intel-rapl:0', 500_000);
  await writeZone('intel-rapl:1', 3_000_000);
  await writeZone('intel-rapl:0:0', 7_000_000);
  expect(await meter.stop()).toBeCloseTo(1.5 + 2, 9);
});

it('is null without counters', async () => {
  expect(await (await startEnergyMeter(join(folder, 'none'))).stop()).toBeNull();
});

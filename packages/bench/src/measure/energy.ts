import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Linux' counters of the energy that processors took (RAPL); each package of cores is a zone. */
const powercap = '/sys/class/powercap';

interface Zone {
  readonly microjoules: number;
  /** Where the counter starts again at 0. */
  readonly range: number;
}

export interface EnergyMeter {
  /** Joules since the start; null where the machine exposes no counter, or not to this user. Never an estimate. */
  stop(): Promise<number | null>;
}

/** Starts to measure what the processors take, all of them: of one trial only where nothing else runs. */
export async function startEnergyMeter(folder = powercap): Promise<EnergyMeter> {
  const before = await readZones(folder);
  return {
    async stop() {
      const after = await readZones(folder);
      const names = Object.keys(before);
      if (names.length === 0 || names.some((name) => after[name] === undefined)) return null;
      const spent = names.map((name) => {
        const [from, to] = [before[name] as Zone, after[name] as Zone];
        const difference = to.microjoules - from.microjoules;
        return difference >= 0 ? difference : difference + to.range;
      });
      return spent.reduce((sum, each) => sum + each, 0) / 1e6;
    },
  };
}

/** The whole packages (`intel-rapl:0`), not the parts of them (`intel-rapl:0:0`). */
async function readZones(folder: string): Promise<Record<string, Zone>> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^intel-rapl:\d+$/.test(name));
  const zones: Record<string, Zone> = {};
  for (const name of names) {
    const number = async (file: string): Promise<number> => Number(await readFile(join(folder, name, file), 'utf8'));
    const zone = await Promise.all([number('energy_uj'), number('max_energy_range_uj')]).catch(() => undefined);
    if (zone !== undefined) zones[name] = { microjoules: zone[0], range: zone[1] };
  }
  return zones;
}

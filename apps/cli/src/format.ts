/** Numbers and paths as people read them. */
import { relative } from 'node:path';

export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log(Math.max(bytes, 1)) / Math.log(1000))));
  const value = bytes / 1000 ** power;
  return `${value >= 100 || power === 0 ? value.toFixed(0) : value.toPrecision(3)} ${units[power]}`;
}

export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
}

export function formatLoss(loss: number): string {
  return loss.toFixed(Math.abs(loss) < 0.1 ? 4 : 3);
}

export function formatShare(part: number, whole: number): string {
  const percent = (100 * part) / whole;
  return `${percent >= 10 ? percent.toFixed(0) : percent.toPrecision(2)} %`;
}

/** A learning rate: four digits at most, in powers of ten where it is small. */
export function formatRate(rate: number): string {
  return rate === 0 || rate >= 0.01
    ? String(Number(rate.toPrecision(3)))
    : rate.toExponential(2).replace(/\.?0+e/, 'e');
}

/** A path as one would type it here. */
export function formatPath(path: string): string {
  const local = relative(process.cwd(), path);
  return local === '' || local.startsWith('..') ? path : local;
}

import { type BuildFailure, build } from 'esbuild';

/** What a browser could not load of these entries and all they import: the Node modules they reach, with the place. */
export async function browserProblems(folder: string, entryPoints: readonly string[]): Promise<string[]> {
  try {
    await build({
      absWorkingDir: folder,
      entryPoints: [...entryPoints],
      bundle: true,
      write: false,
      outdir: 'unwritten',
      format: 'esm',
      platform: 'browser',
      conditions: ['tunesmith-source'],
      logLevel: 'silent',
    });
    return [];
  } catch (failure) {
    return (failure as BuildFailure).errors.map(({ text, location }) => `${location?.file}:${location?.line}: ${text}`);
  }
}

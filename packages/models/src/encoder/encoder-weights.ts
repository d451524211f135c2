/**
 * Other names of an encoder's weights: without the first part, as the bare model was saved (`encoder.layer.0…`), and with
 * the norms' `gamma` and `beta` of checkpoints that came from TensorFlow; `tied` are biases that the checkpoint may know by
 * the module that uses them.
 */
export function encoderAliases(
  prefix: string,
  tied: Readonly<Record<string, string>> = {},
): (path: string) => readonly string[] {
  return (path) => {
    const bare = path.startsWith(`${prefix}.`) ? [path, path.slice(prefix.length + 1)] : [path];
    const older = bare
      .filter((name) => /LayerNorm\.(weight|bias)$/.test(name))
      .map((name) => name.replace(/weight$/, 'gamma').replace(/bias$/, 'beta'));
    const own = tied[path];
    return [...bare.slice(1), ...older, ...(own === undefined ? [] : [own])];
  };
}

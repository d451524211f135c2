/** Module names of single families; a method selects sites by role, or by names that its user gives. */
const moduleNames = [
  ...['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj', 'self_attn', 'embed_tokens'],
  ...['c_attn', 'c_proj', 'c_fc', 'wte', 'wpe', 'lm_head', 'ln_1', 'ln_2', 'ln_f', 'model\\.layers', 'transformer\\.h'],
];
// In quotes or as a part of a dotted path; prose sets names in backticks or bare.
const named = new RegExp(`['".](?:${moduleNames.join('|')})['".]`);

/** Lines of a method's source that name a family's weights, which no method may know. */
export function familyNames(source: string): string[] {
  return source.split('\n').filter((line) => named.test(line) && !/^\s*(?:\*|\/\/|\/\*)/.test(line));
}

import { z } from 'zod';

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** A method's options as a Markdown table: what the schema says, and nothing else. */
export function optionTable(schema: z.ZodObject): string {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input' });
  const names = Object.keys(properties);
  if (names.length === 0) return 'There are no options.';
  const rows = names.map((name) => {
    const property = properties[name] as JsonSchema;
    const start = property.default === undefined ? '' : `\`${JSON.stringify(property.default)}\``;
    return [`\`${name}\``, typeOf(property), start, property.description ?? ''];
  });
  const lines = [['option', 'type', 'default', 'what it does'], ['---', '---', '---', '---'], ...rows];
  return lines.map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`).join('\n');
}

function typeOf(schema: JsonSchema): string {
  if (schema.anyOf) return schema.anyOf.map((each) => typeOf(each as JsonSchema)).join(' or ');
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  switch (schema.type) {
    case 'array':
      return `list of ${typeOf(schema.items as JsonSchema).replace(/^\w+/, '$&s')}`;
    case 'object':
      return `map to ${typeOf(schema.additionalProperties as JsonSchema)}`;
    case 'integer':
    case 'number':
      return `${schema.type}${rangeOf(schema)}`;
    default:
      return String(schema.type);
  }
}

function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const limits = [
    minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? '' : `≥ ${minimum}`,
    exclusiveMinimum === undefined ? '' : `> ${exclusiveMinimum}`,
    maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? '' : `≤ ${maximum}`,
    exclusiveMaximum === undefined ? '' : `< ${exclusiveMaximum}`,
  ].filter((limit) => limit !== '');
  return limits.length === 0 ? '' : ` ${limits.join(', ')}`;
}

/** A README with the table of every method between `<!-- options of NAME -->` and `<!-- end of options -->` made anew. */
export function withOptionTables(readme: string, schemas: ReadonlyMap<string, z.ZodObject>): string {
  let text = readme;
  for (const [name, schema] of schemas) {
    const [begin, end] = [`<!-- options of ${name} -->`, '<!-- end of options -->'];
    const start = text.indexOf(begin);
    const stop = text.indexOf(end, start);
    if (start < 0 || stop < 0) throw new Error(`The README has no "${begin}" … "${end}" for its method "${name}".`);
    text = `${text.slice(0, start)}${begin}\n\n${optionTable(schema)}\n\n${text.slice(stop)}`;
  }
  return text;
}

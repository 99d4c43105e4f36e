/** Says where a JSON value is not what a schema of the OpenAPI document wants. Knows the part of JSON Schema it uses. */

/** A schema, as far as the document uses them. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema;
  readonly pattern?: string;
}

/** Schemas by `$ref`. */
export type Schemas = Readonly<Record<string, JsonSchema>>;

/**
 * What is wrong with a value, a line each. A property that the schema does not name is wrong, too: what is answered is
 * documented.
 */
export function violations(value: unknown, schema: JsonSchema, schemas: Schemas, at = "$"): string[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace("#/components/schemas/", "");
    const target = schemas[name];
    return target === undefined ? [`${at}: no schema ${schema.$ref}`] : violations(value, target, schemas, at);
  }
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches !== undefined) {
    const found = branches.map((branch) => violations(value, branch, schemas, at));
    return found.some((wrong) => wrong.length === 0) ? [] : found[0] ?? [];
  }
  if (schema.allOf !== undefined) return schema.allOf.flatMap((part) => violations(value, part, schemas, at));
  if ("const" in schema) return schema.const === value ? [] : [`${at}: is not ${JSON.stringify(schema.const)}`];
  if (schema.enum !== undefined) {
    return schema.enum.includes(value) ? [] : [`${at}: ${JSON.stringify(value)} is none of ${schema.enum.join()}`];
  }
  const types = typeof schema.type === "string" ? [schema.type] : schema.type ?? [];
  if (types.length > 0 && !types.some((type) => isOfType(value, type))) {
    return [`${at}: ${JSON.stringify(value)} is not of type ${types.join()}`];
  }
  if (typeof value === "string" && schema.pattern !== undefined && !new RegExp(schema.pattern, "u").test(value)) {
    return [`${at}: "${value}" does not match ${schema.pattern}`];
  }
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => violations(item, schema.items ?? {}, schemas, `${at}[${index}]`));
  }
  if (typeof value === "object" && value !== null) return propertyViolations({ ...value }, schema, schemas, at);
  return [];
}

function propertyViolations(
  value: Readonly<Record<string, unknown>>,
  schema: JsonSchema,
  schemas: Schemas,
  at: string,
): string[] {
  const { properties = {}, required = [], additionalProperties } = schema;
  const missing = required.filter((name) => !Object.hasOwn(value, name)).map((name) => `${at}.${name}: is missing`);
  if (schema.type === undefined) return missing;
  return Object.entries(value).reduce((wrong, [name, inner]) => {
    const own = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (own !== undefined) return [...wrong, ...violations(inner, own, schemas, `${at}.${name}`)];
    if (typeof additionalProperties === "object") {
      return [...wrong, ...violations(inner, additionalProperties, schemas, `${at}.${name}`)];
    }
    return additionalProperties === true ? wrong : [...wrong, `${at}.${name}: is not documented`];
  }, missing);
}

function isOfType(value: unknown, type: string): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  const found: string = typeof value;
  return found === type;
}

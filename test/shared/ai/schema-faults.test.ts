import t from 'tap'
import { PROJECT_SCHEMA } from '../../../shared/ai/project-schema.ts'
import { faultOfSchema } from '../../../shared/ai/schema-faults.ts'
import { createValidator } from '../../../shared/openai/validator.ts'

const object = (properties: Record<string, unknown>, more: object = {}) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
})
const text = { type: 'string' }

t.test('schemas in the subset have no fault, and are accepted by the validator', async t => {
  const schemas = [
    PROJECT_SCHEMA,
    object({ a: text }),
    object({ a: text }, { $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'A', description: 'B' }),
    object({
      a: { type: ['string', 'null'] },
      b: { type: ['null', 'integer'] },
      c: { type: 'null' },
      d: { type: 'boolean' },
    }),
    object({ a: { type: 'string', enum: ['x', 'y'] }, b: { type: ['string', 'null'], enum: ['x', null] } }),
    object({
      a: { type: 'number', enum: [1, 2.5] },
      b: { type: 'integer', enum: [1] },
      c: { type: 'boolean', enum: [true] },
    }),
    object({ a: { type: 'array', items: { type: ['array', 'null'], items: text } } }),
    object({ a: { ...object({ b: text }), type: ['object', 'null'] } }),
    object({ constructor: text, __proto: text }),
  ]
  for (const schema of schemas) {
    t.equal(faultOfSchema(schema), undefined)
    const { $schema, ...plain } = schema as { $schema?: string }
    await t.resolves(createValidator(plain))
  }
})

t.test('each fault is named with its place and its remedy', async t => {
  const deep = (levels: number): object => object({ a: levels === 1 ? text : deep(levels - 1) })
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, place) => [`f${place}`, text]))
  const table: [string, unknown, RegExp][] = [
    ['no object', 'text', /no JSON object/],
    ['a list', [], /no JSON object/],
    ['null', null, /no JSON object/],
    ['a list at the top', { type: 'array', items: text }, /"type": "object"/],
    ['an optional field', object({ a: text, b: text }, { required: ['a'] }), /does not require "b" at the top: .*null/],
    ['no list of required fields', object({ a: text }, { required: undefined }), /does not require "a"/],
    ['an unknown required field', object({ a: text }, { required: ['a', 'b'] }), /requires "b"/],
    ['other fields', object({ a: text }, { additionalProperties: true }), /"additionalProperties": false at the top/],
    [
      'other fields below',
      object({ a: object({ b: text }, { additionalProperties: undefined }) }),
      /false at a: add it/,
    ],
    ['no fields', object({}), /no properties/],
    ['no type', object({ a: {} }), /no known type at a/],
    ['an unknown type', object({ a: { type: 'date' } }), /no known type at a/],
    ['two types', object({ a: { type: ['string', 'number'] } }), /no known type at a/],
    ['a type twice', object({ a: { type: ['string', 'string'] } }), /no known type at a/],
    ['a list without items', object({ a: { type: 'array' } }), /no schema at a\[\]/],
    ['items by place', object({ a: { type: 'array', items: [text] } }), /no schema at a\[\]/],
    ['a boolean schema', object({ a: true }), /no schema at a/],
    ['a length limit', object({ a: { ...text, minLength: 1 } }), /"minLength" at a: .*description/],
    ['a number limit', object({ a: { type: 'number', maximum: 1 } }), /"maximum" at a: .*description/],
    ['a size limit', object({ a: { type: 'array', items: text, maxItems: 1 } }), /"maxItems" at a/],
    ['a pattern', object({ a: { ...text, pattern: '(a+)+$' } }), /"pattern" at a/],
    ['a format', object({ a: { ...text, format: 'date' } }), /"format" at a/],
    ['alternatives', object({ a: { anyOf: [text] } }), /"anyOf" at a: .*"null"/],
    ['a reference', object({ a: { $ref: '#' } }), /"\$ref" at a: write the definition/],
    ['definitions', object({ a: text }, { $defs: {} }), /"\$defs" at the top/],
    ['a default', object({ a: { ...text, default: 'x' } }), /"default" at a/],
    ['a constant', object({ a: { const: 'x' } }), /"const" at a: use an enum/],
    ['nullable', object({ a: { ...text, nullable: true } }), /"nullable" at a/],
    ['anything else', object({ a: { ...text, constructor: 1 } }), /"constructor" at a: remove it/],
    ['an empty enum', object({ a: { ...text, enum: [] } }), /enum at a/],
    ['an enum of another type', object({ a: { ...text, enum: [1] } }), /enum at a/],
    ['an enum of null without it', object({ a: { ...text, enum: ['x', null] } }), /enum at a/],
    ['an enum of fractions', object({ a: { type: 'integer', enum: [1.5] } }), /enum at a/],
    ['a nested fault', object({ a: { type: 'array', items: object({ b: { type: 'x' } }) } }), /at a\[\]\.b/],
    ['deep objects', deep(6), /more than 5 objects/],
    ['many fields', object(many), /101 fields/],
  ]
  for (const [what, schema, fault] of table) t.match(faultOfSchema(schema), fault, what)
  t.equal(faultOfSchema(deep(5)), undefined)
})

t.test('the built-in schema holds what a project manager asks for', async t => {
  const names = Object.keys(PROJECT_SCHEMA.properties)
  t.same(names, ['summary', 'decisions', 'actionItems', 'risks', 'openQuestions', 'urgency', 'suggestedReply'])
  t.ok(JSON.stringify(PROJECT_SCHEMA).split('"quote"').length > 8)
})

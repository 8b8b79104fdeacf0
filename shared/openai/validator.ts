/** Returns what is wrong with an answer, by names of the schema only; `undefined` if nothing is. */
export type Validate = (answer: unknown) => string | undefined

/** Compiles a schema. Loads the validator. Throws an Error that names the fault of the schema. */
export async function createValidator(schema: Record<string, unknown>): Promise<Validate> {
  const { Ajv } = await import('ajv')
  const validate = new Ajv({ strict: true, allowUnionTypes: true, validateFormats: false, logger: false }).compile(
    schema,
  )
  return answer => {
    if (answer === undefined) return 'the answer is no JSON object'
    if (validate(answer)) return undefined
    const [error] = validate.errors ?? []
    return `${error?.instancePath || 'the answer'} ${error?.message ?? 'does not match'}`
  }
}

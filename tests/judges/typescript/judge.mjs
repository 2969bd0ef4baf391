// What the official TypeScript SDK makes of the bytes of this project, and of its values.
//
// usage: node judge.mjs FILE      FILE is the package.json whose packages `npm ci` installed
//
// One JSON object a line comes in: a typespace and a type (as SATS-JSON), values of it as hex of
// BSATN (`bsatn`) and in plain form (`plain`). The answer has one verdict for each, in order: the
// value that the SDK read or was given, in plain form and written again, or the error.
//
// The plain form is JSON that says every value exactly: integers are decimal text, floats {double}
// with its 16 hex digits, bytes hex, products arrays, sums [tag, payload], an option null or {some},
// a result {ok} or {err}.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(process.argv[2]);
const sdk = require('spacetimedb');
const { AlgebraicType, BinaryReader, BinaryWriter } = sdk;

const SPECIALS = {
  __identity__: sdk.Identity,
  __connection_id__: sdk.ConnectionId,
  __timestamp_micros_since_unix_epoch__: sdk.Timestamp,
  __time_duration_micros__: sdk.TimeDuration,
  __uuid__: sdk.Uuid,
};

// The SDK writes names into program text, so they must be identifiers. Its own bindings see to that;
// here every name becomes one, but for those that have a meaning.
function typeFromJson(json) {
  const [[tag, body]] = Object.entries(json);
  switch (tag) {
    case 'Ref':
      return AlgebraicType.Ref(body);
    case 'Array':
      return AlgebraicType.Array(typeFromJson(body));
    case 'Product': {
      const isSpecial = body.elements.length === 1 && body.elements[0].name.some in SPECIALS;
      const elements = body.elements.map((element, index) => ({
        name: isSpecial ? element.name.some : `field${index}`,
        algebraicType: typeFromJson(element.algebraic_type),
      }));
      return AlgebraicType.Product({ elements });
    }
    case 'Sum': {
      const names = body.variants.map(variant => variant.name.some);
      const isSpecial = isOption(body) || names.join() === 'ok,err' || names.join() === 'Interval,Time';
      const variants = body.variants.map((variant, index) => ({
        name: isSpecial ? names[index] : `Variant${index}`,
        algebraicType: typeFromJson(variant.algebraic_type),
      }));
      return AlgebraicType.Sum({ variants });
    }
    default:
      return AlgebraicType[tag];
  }
}

function isOption({ variants }) {
  return (
    variants.length === 2 &&
    variants[0].name.some === 'some' &&
    variants[1].name.some === 'none' &&
    variants[1].algebraic_type.Product?.elements.length === 0
  );
}

class Plain {
  constructor(typespace) {
    this.typespace = typespace;
  }

  resolve(type) {
    while (type.tag === 'Ref') type = this.typespace.types[type.value];
    return type;
  }

  of(type, value) {
    type = this.resolve(type);
    switch (type.tag) {
      case 'Bool':
      case 'String':
        return value;
      case 'F32':
      case 'F64': {
        const bits = Buffer.alloc(8);
        bits.writeDoubleBE(value);
        return { double: bits.toString('hex') };
      }
      case 'Array':
        return this.resolve(type.value).tag === 'U8'
          ? Buffer.from(value).toString('hex')
          : value.map(item => this.of(type.value, item));
      case 'Product': {
        const { elements } = type.value;
        if (elements[0]?.name in SPECIALS) return String(value[elements[0].name]);
        return elements.map(({ name, algebraicType }) => this.of(algebraicType, value[name]));
      }
      case 'Sum': {
        const { variants } = type.value;
        const [first, second] = variants;
        if (first.name === 'some') {
          return value === undefined ? null : { some: this.of(first.algebraicType, value) };
        }
        if (first.name === 'ok') {
          return 'ok' in value
            ? { ok: this.of(first.algebraicType, value.ok) }
            : { err: this.of(second.algebraicType, value.err) };
        }
        const tag = variants.findIndex(variant => variant.name === value.tag);
        return [tag, this.of(variants[tag].algebraicType, value.value)];
      }
      default:
        return String(value);
    }
  }

  to(type, plain) {
    type = this.resolve(type);
    switch (type.tag) {
      case 'Bool':
      case 'String':
        return plain;
      case 'F32':
      case 'F64':
        return Buffer.from(plain.double, 'hex').readDoubleBE();
      case 'Array': {
        if (this.resolve(type.value).tag !== 'U8') {
          return plain.map(item => this.to(type.value, item));
        }
        const bytes = Buffer.from(plain, 'hex');
        return type.value.tag === 'U8' ? new Uint8Array(bytes) : [...bytes];
      }
      case 'Product': {
        const { elements } = type.value;
        if (elements[0]?.name in SPECIALS) return new SPECIALS[elements[0].name](BigInt(plain));
        return Object.fromEntries(
          elements.map(({ name, algebraicType }, index) => [name, this.to(algebraicType, plain[index])])
        );
      }
      case 'Sum': {
        const { variants } = type.value;
        const [first, second] = variants;
        if (first.name === 'some') {
          return plain === null ? undefined : this.to(first.algebraicType, plain.some);
        }
        if (first.name === 'ok') {
          return 'ok' in plain
            ? { ok: this.to(first.algebraicType, plain.ok) }
            : { err: this.to(second.algebraicType, plain.err) };
        }
        const { name, algebraicType } = variants[plain[0]];
        return { tag: name, value: this.to(algebraicType, plain[1]) };
      }
      case 'I8':
      case 'U8':
      case 'I16':
      case 'U16':
      case 'I32':
      case 'U32':
        return Number(plain);
      default:
        return BigInt(plain);
    }
  }
}

function attempt(make) {
  try {
    return make();
  } catch (error) {
    return { error: String(error) };
  }
}

function answer(request) {
  const typespace = { types: request.typespace.map(typeFromJson) };
  const type = typeFromJson(request.type);
  const plain = new Plain(typespace);
  const read = AlgebraicType.makeDeserializer(type, typespace);
  const write = AlgebraicType.makeSerializer(type, typespace);
  const written = value => {
    const writer = new BinaryWriter(16);
    write(writer, value);
    return Buffer.from(writer.getBuffer()).toString('hex');
  };
  const fromBsatn = item =>
    attempt(() => {
      const reader = new BinaryReader(new Uint8Array(Buffer.from(item, 'hex')));
      const value = read(reader);
      const left = reader.remaining;
      return { plain: plain.of(type, value), left, ...attempt(() => ({ bsatn: written(value) })) };
    });
  const fromPlain = item => attempt(() => ({ bsatn: written(plain.to(type, item)) }));
  return { bsatn: (request.bsatn ?? []).map(fromBsatn), plain: (request.plain ?? []).map(fromPlain) };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(attempt(() => answer(JSON.parse(line))))}\n`);
}

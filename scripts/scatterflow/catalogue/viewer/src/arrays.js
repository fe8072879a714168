// Strided views of flat arrays: of npm's ndarray and ndarray-ops (Mikola Lysenko) what h5web uses, without
// their compilation of code from text at run time, which a strict Content-Security-Policy forbids.

class View {
  constructor(data, shape, stride, offset) {
    this.data = data;
    this.shape = shape;
    this.stride = stride;
    this.offset = offset;
  }

  get size() {
    return this.shape.reduce((product, length) => product * length, 1);
  }

  get dimension() {
    return this.shape.length;
  }

  get dtype() {
    const name = Array.isArray(this.data) ? "array" : (this.data.constructor?.name ?? "generic");
    return name.replace(/Array$/, "").replace("Uint8Clamped", "uint8_clamped").toLowerCase();
  }

  index(...position) {
    return position.reduce((sum, place, axis) => sum + place * this.stride[axis], this.offset);
  }

  get(...position) {
    return this.data[this.index(...position)];
  }

  set(...position) {
    const value = position.pop();
    this.data[this.index(...position)] = value;
    return value;
  }

  // The axes at which a place is given go; null, undefined and negative numbers keep theirs.
  pick(...places) {
    const kept = this.shape.map((_, axis) => axis).filter((axis) => !(places[axis] >= 0 && places[axis] !== null));
    const offset = places.reduce(
      (sum, place, axis) => (kept.includes(axis) ? sum : sum + place * this.stride[axis]),
      this.offset,
    );
    return new View(this.data, kept.map((axis) => this.shape[axis]), kept.map((axis) => this.stride[axis]), offset);
  }

  lo(...places) {
    const from = this.shape.map((_, axis) => Math.max(0, places[axis] ?? 0));
    return new View(this.data, this.shape.map((length, axis) => length - from[axis]), this.stride, this.index(...from));
  }

  hi(...places) {
    const shape = this.shape.map((length, axis) => (places[axis] >= 0 && places[axis] !== null ? places[axis] : length));
    return new View(this.data, shape, this.stride, this.offset);
  }

  transpose(...order) {
    return new View(this.data, order.map((axis) => this.shape[axis]), order.map((axis) => this.stride[axis]), this.offset);
  }
}

function rowMajor(shape) {
  const stride = new Array(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    stride[axis] = step;
    step *= shape[axis];
  }
  return stride;
}

export default function ndarray(data, shape = [data.length], stride = rowMajor(shape), offset = 0) {
  return new View(data, shape, stride, offset);
}

// Copy a view into another one of the same shape.
export function assign(target, source) {
  const { shape } = target;
  const inner = shape.length - 1;
  if (target.size === 0) return target;
  if (inner < 0) {
    target.data[target.offset] = source.data[source.offset];
    return target;
  }
  const position = new Array(shape.length).fill(0);
  for (;;) {
    let to = target.index(...position);
    let from = source.index(...position);
    for (let place = 0; place < shape[inner]; place++) {
      target.data[to] = source.data[from];
      to += target.stride[inner];
      from += source.stride[inner];
    }
    let axis = inner - 1;
    while (axis >= 0 && ++position[axis] === shape[axis]) position[axis--] = 0;
    if (axis < 0) return target;
  }
}

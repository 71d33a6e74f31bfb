import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
export var MetaMessage;
(function (MetaMessage) {
    let _codec;
    MetaMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.name != null && obj.name.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.name);
                }
                if (obj.addresses != null && obj.addresses.length > 0) {
                    for (const value of obj.addresses) {
                        w.uint32(18);
                        w.bytes(value);
                    }
                }
                if ((obj.lane != null && obj.lane.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.lane);
                }
                if ((obj.api != null && obj.api.byteLength > 0)) {
                    w.uint32(34);
                    w.bytes(obj.api);
                }
                if (obj.pools != null && obj.pools.length > 0) {
                    for (const value of obj.pools) {
                        w.uint32(42);
                        PoolMessage.codec().encode(value, w);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    name: uint8ArrayAlloc(0),
                    addresses: [],
                    lane: uint8ArrayAlloc(0),
                    api: uint8ArrayAlloc(0),
                    pools: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.name = reader.bytes();
                            break;
                        }
                        case 2: {
                            if (opts.limits?.addresses != null && obj.addresses.length === opts.limits.addresses) {
                                throw new MaxLengthError('Decode error - repeated field "addresses" had too many elements');
                            }
                            obj.addresses.push(reader.bytes());
                            break;
                        }
                        case 3: {
                            obj.lane = reader.bytes();
                            break;
                        }
                        case 4: {
                            obj.api = reader.bytes();
                            break;
                        }
                        case 5: {
                            if (opts.limits?.pools != null && obj.pools.length === opts.limits.pools) {
                                throw new MaxLengthError('Decode error - repeated field "pools" had too many elements');
                            }
                            obj.pools.push(PoolMessage.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.pools$
                            }));
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    addresses: 0,
                    pools: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.name`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            if (opts.limits?.addresses != null && obj.addresses === opts.limits.addresses) {
                                throw new MaxLengthError('Streaming decode error - repeated field "addresses" had too many elements');
                            }
                            yield {
                                field: `${prefix}.addresses[]`,
                                index: obj.addresses,
                                value: reader.bytes()
                            };
                            obj.addresses++;
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.lane`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.api`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 5: {
                            if (opts.limits?.pools != null && obj.pools === opts.limits.pools) {
                                throw new MaxLengthError('Streaming decode error - repeated field "pools" had too many elements');
                            }
                            for (const evt of PoolMessage.codec().stream(reader, reader.uint32(), `${prefix}.pools[]`, {
                                limits: opts.limits?.pools$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.pools
                                };
                            }
                            obj.pools++;
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, MetaMessage.codec());
    }
    MetaMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, MetaMessage.codec(), opts);
    }
    MetaMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, MetaMessage.codec(), opts);
    }
    MetaMessage.stream = stream;
})(MetaMessage || (MetaMessage = {}));
export var PoolMessage;
(function (PoolMessage) {
    let _codec;
    PoolMessage.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.id != null && obj.id.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.id);
                }
                if ((obj.ready != null && obj.ready !== false)) {
                    w.uint32(16);
                    w.bool(obj.ready);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    id: uint8ArrayAlloc(0),
                    ready: false
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.id = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.ready = reader.bool();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.id`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.ready`,
                                value: reader.bool()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, PoolMessage.codec());
    }
    PoolMessage.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, PoolMessage.codec(), opts);
    }
    PoolMessage.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, PoolMessage.codec(), opts);
    }
    PoolMessage.stream = stream;
})(PoolMessage || (PoolMessage = {}));

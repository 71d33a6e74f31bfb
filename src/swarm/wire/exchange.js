import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
export var HaveRequest;
(function (HaveRequest) {
    let _codec;
    HaveRequest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.sha256 != null && obj.sha256.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.sha256);
                }
                if ((obj.watch != null && obj.watch !== false)) {
                    w.uint32(16);
                    w.bool(obj.watch);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    sha256: uint8ArrayAlloc(0),
                    watch: false
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.sha256 = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.watch = reader.bool();
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
                                field: `${prefix}.sha256`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.watch`,
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
        return encodeMessage(obj, HaveRequest.codec());
    }
    HaveRequest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, HaveRequest.codec(), opts);
    }
    HaveRequest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, HaveRequest.codec(), opts);
    }
    HaveRequest.stream = stream;
})(HaveRequest || (HaveRequest = {}));
export var HaveReport;
(function (HaveReport) {
    let _codec;
    HaveReport.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                obj = { ...obj };
                if (obj.gone != null) {
                    obj.complete = undefined;
                    obj.delta = undefined;
                    obj.snapshot = undefined;
                }
                if (obj.complete != null) {
                    obj.gone = undefined;
                    obj.delta = undefined;
                    obj.snapshot = undefined;
                }
                if (obj.delta != null) {
                    obj.gone = undefined;
                    obj.complete = undefined;
                    obj.snapshot = undefined;
                }
                if (obj.snapshot != null) {
                    obj.gone = undefined;
                    obj.complete = undefined;
                    obj.delta = undefined;
                }
                if ((obj.sha256 != null && obj.sha256.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.sha256);
                }
                if (obj.snapshot != null) {
                    w.uint32(18);
                    w.bytes(obj.snapshot);
                }
                if (obj.delta != null) {
                    w.uint32(26);
                    HaveDelta.codec().encode(obj.delta, w);
                }
                if (obj.complete != null) {
                    w.uint32(32);
                    w.bool(obj.complete);
                }
                if (obj.gone != null) {
                    w.uint32(40);
                    w.bool(obj.gone);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    sha256: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.sha256 = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.snapshot = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.delta = HaveDelta.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.delta
                            });
                            break;
                        }
                        case 4: {
                            obj.complete = reader.bool();
                            break;
                        }
                        case 5: {
                            obj.gone = reader.bool();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                if (obj.gone != null) {
                    delete obj.complete;
                    delete obj.delta;
                    delete obj.snapshot;
                }
                if (obj.complete != null) {
                    delete obj.gone;
                    delete obj.delta;
                    delete obj.snapshot;
                }
                if (obj.delta != null) {
                    delete obj.gone;
                    delete obj.complete;
                    delete obj.snapshot;
                }
                if (obj.snapshot != null) {
                    delete obj.gone;
                    delete obj.complete;
                    delete obj.delta;
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.sha256`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.snapshot`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield* HaveDelta.codec().stream(reader, reader.uint32(), `${prefix}.delta`, {
                                limits: opts.limits?.delta
                            });
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.complete`,
                                value: reader.bool()
                            };
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.gone`,
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
        return encodeMessage(obj, HaveReport.codec());
    }
    HaveReport.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, HaveReport.codec(), opts);
    }
    HaveReport.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, HaveReport.codec(), opts);
    }
    HaveReport.stream = stream;
})(HaveReport || (HaveReport = {}));
export var HaveDelta;
(function (HaveDelta) {
    let _codec;
    HaveDelta.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.steps != null && obj.steps.length > 0) {
                    for (const value of obj.steps) {
                        w.uint32(8);
                        w.uint32(value);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    steps: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.steps != null && obj.steps.length === opts.limits.steps) {
                                throw new MaxLengthError('Decode error - repeated field "steps" had too many elements');
                            }
                            obj.steps.push(reader.uint32());
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
                    steps: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.steps != null && obj.steps === opts.limits.steps) {
                                throw new MaxLengthError('Streaming decode error - repeated field "steps" had too many elements');
                            }
                            yield {
                                field: `${prefix}.steps[]`,
                                index: obj.steps,
                                value: reader.uint32()
                            };
                            obj.steps++;
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
        return encodeMessage(obj, HaveDelta.codec());
    }
    HaveDelta.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, HaveDelta.codec(), opts);
    }
    HaveDelta.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, HaveDelta.codec(), opts);
    }
    HaveDelta.stream = stream;
})(HaveDelta || (HaveDelta = {}));
export var ManifestReply;
(function (ManifestReply) {
    let _codec;
    ManifestReply.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.found != null && obj.found !== false)) {
                    w.uint32(8);
                    w.bool(obj.found);
                }
                if ((obj.sizeBytes != null && obj.sizeBytes !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.sizeBytes);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    found: false,
                    sizeBytes: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.found = reader.bool();
                            break;
                        }
                        case 2: {
                            obj.sizeBytes = reader.uint64Number();
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
                                field: `${prefix}.found`,
                                value: reader.bool()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.sizeBytes`,
                                value: reader.uint64Number()
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
        return encodeMessage(obj, ManifestReply.codec());
    }
    ManifestReply.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, ManifestReply.codec(), opts);
    }
    ManifestReply.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, ManifestReply.codec(), opts);
    }
    ManifestReply.stream = stream;
})(ManifestReply || (ManifestReply = {}));

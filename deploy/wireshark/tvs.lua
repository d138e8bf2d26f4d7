-- Wireshark dissector of the Trust Verification Service's protocol: TCP port 2445, inside TLS.
-- Installation, the key log and examples: docs/wireshark.md. The protocol, and how sure each point is: docs/protocol.md.
-- Written for Wireshark 4.0 (Lua 5.2) and later.

local tvs = Proto("tvs", "Trust Verification Service")

local HEADER_SIZE = 10 -- discriminator, version, type, reserved (1 byte each), session id (4), payload length (2)
local DISCRIMINATOR, VERSION = 0x57, 0x01
local MAX_REQUEST_PAYLOAD = 16 * 1024 -- as the service: a request that announces more is refused, not waited for
local MAX_SERIAL = 21 -- 20 bytes in a certificate, a 00 may precede them
local MAX_SHOWN = 64 -- elements of a message, roles of an answer: more are made up, and only counted
local MAX_TEXT = 100 -- bytes of a name in the Info column
local MAX_INFO = 1000 -- bytes of the Info column; Wireshark keeps 4,096

local VERIFY_REQ, VERIFY_RES, QUERY_REQ, QUERY_RES = 1, 2, 3, 4
local DEVICE, CERTIFICATE, SUBJECT, ISSUER, SERIAL, UNPUBLISHED, STATUS, ROLES, TIME_TO_LIVE = 1, 2, 3, 4, 5, 6, 7, 8, 9

local TYPE_NAMES = {
    [VERIFY_REQ] = "CERT_VERIFICATION_REQ",
    [VERIFY_RES] = "CERT_VERIFICATION_RES",
    [QUERY_REQ] = "QUERY_CERT_REQ",
    [QUERY_RES] = "QUERY_CERT_RES",
}
local TAG_NAMES = {
    [DEVICE] = "Device name",
    [CERTIFICATE] = "Certificate",
    [SUBJECT] = "Subject name",
    [ISSUER] = "Issuer name",
    [SERIAL] = "Serial number",
    [UNPUBLISHED] = "Issuer name or serial number",
    [STATUS] = "Status",
    [ROLES] = "Roles",
    [TIME_TO_LIVE] = "Time to live",
}
local STATUS_NAMES = { [0] = "Trusted", [1] = "Not trusted" }
local ROLE_NAMES = {
    [0] = "SAST", [1] = "CCM", [2] = "CCM+TFTP", [3] = "TFTP", [4] = "CAPF", [5] = "SRST", [6] = "FIREWALL",
    [7] = "APP-SERVER", [20] = "CERTIFICATE-AUTHORITY", [21] = "TVS", [22] = "SIGNALING-CALL-CONTROL",
    [23] = "PROVISIONING-SERVICE", [24] = "DATA-SERVICE", [25] = "NETWORK-ELEMENT", [26] = "VPN",
    [27] = "SERVICEABILITY", [255] = "UNKNOWN",
}

-- Tags of each message, in the order in which they are written. A query also has two of tags 4, 5 and 6.
local ELEMENTS = {
    [VERIFY_REQ] = { DEVICE, CERTIFICATE },
    [VERIFY_RES] = { STATUS, ROLES, TIME_TO_LIVE },
    [QUERY_REQ] = { DEVICE, SUBJECT, ISSUER, SERIAL, UNPUBLISHED },
    [QUERY_RES] = { STATUS, CERTIFICATE, ROLES, TIME_TO_LIVE },
}
local REQUIRED = {
    [VERIFY_REQ] = { DEVICE, CERTIFICATE },
    [VERIFY_RES] = { STATUS },
    [QUERY_REQ] = { DEVICE, SUBJECT },
    [QUERY_RES] = { STATUS },
}
local CANDIDATES = { [ISSUER] = true, [SERIAL] = true, [UNPUBLISHED] = true } -- a query's, told apart by content
local PLACES = {} -- by message type and tag: the element's place in the message
for message_type, tags in pairs(ELEMENTS) do
    PLACES[message_type] = {}
    for place, tag in ipairs(tags) do
        PLACES[message_type][tag] = place
    end
end

local f = {
    discriminator = ProtoField.uint8("tvs.discriminator", "Protocol discriminator", base.HEX),
    version = ProtoField.uint8("tvs.version", "Version"),
    type = ProtoField.uint8("tvs.type", "Message type", base.DEC, TYPE_NAMES),
    reserved = ProtoField.uint8("tvs.reserved", "Reserved", base.HEX),
    session = ProtoField.uint32("tvs.session", "Session id"),
    length = ProtoField.uint16("tvs.length", "Payload length", base.UNIT_STRING, { " byte", " bytes" }),
    element = ProtoField.none("tvs.element", "Element"),
    tag = ProtoField.uint8("tvs.element.tag", "Tag", base.DEC, TAG_NAMES),
    element_length = ProtoField.uint16("tvs.element.length", "Length", base.UNIT_STRING, { " byte", " bytes" }),
    value = ProtoField.bytes("tvs.element.value", "Value"),
    device = ProtoField.string("tvs.device", "Device name"),
    subject = ProtoField.string("tvs.subject", "Subject name"),
    issuer = ProtoField.string("tvs.issuer", "Issuer name"),
    serial = ProtoField.bytes("tvs.serial", "Serial number"),
    certificate = ProtoField.bytes("tvs.certificate", "Certificate"),
    certificate_serial = ProtoField.bytes("tvs.certificate.serial", "Serial number of the certificate"),
    status = ProtoField.uint8("tvs.status", "Status", base.DEC, STATUS_NAMES),
    role = ProtoField.uint8("tvs.role", "Role", base.DEC, ROLE_NAMES),
    time_to_live = ProtoField.uint32("tvs.time_to_live", "Time to live", base.UNIT_STRING, { " second", " seconds" }),
    request_in = ProtoField.framenum("tvs.request_in", "Request in frame", base.NONE, frametype.REQUEST),
    response_in = ProtoField.framenum("tvs.response_in", "Answer in frame", base.NONE, frametype.RESPONSE),
    time = ProtoField.relative_time("tvs.time", "Time from the request to the answer"),
    rest = ProtoField.bytes("tvs.rest", "Bytes that are not a message"),
}
local e = {
    malformed = ProtoExpert.new("tvs.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR),
    odd = ProtoExpert.new("tvs.odd", "Unusual, tolerated", expert.group.PROTOCOL, expert.severity.NOTE),
    unfinished = ProtoExpert.new("tvs.unfinished", "Unfinished", expert.group.REASSEMBLE, expert.severity.NOTE),
    order = ProtoExpert.new("tvs.order", "Out of order", expert.group.SEQUENCE, expert.severity.WARN),
    not_trusted = ProtoExpert.new("tvs.not_trusted", "Not trusted", expert.group.RESPONSE_CODE, expert.severity.NOTE),
}
tvs.fields, tvs.experts = f, e
tvs.prefs.ports = Pref.range("TLS ports", "2445", "TCP ports on which TLS carries this protocol", 65535)

local stream_field = Field.new("tcp.stream")

-- -- Marks -------------------------------------------------------------------------------------------------------

local function malformed(message, item, reason)
    item:add_proto_expert_info(e.malformed, reason)
    message.problem = message.problem or reason
end

local function odd(item, reason)
    item:add_proto_expert_info(e.odd, reason)
end

-- -- Text --------------------------------------------------------------------------------------------------------

-- A name for the Info column: short, and printable ASCII whatever a stranger sent.
local function printable(bytes)
    local text = bytes:sub(1, MAX_TEXT):gsub("[^\32-\126]", function(byte)
        return ("\\x%02x"):format(byte:byte())
    end)
    return #bytes > MAX_TEXT and text .. "..." or text
end

local function hex(bytes)
    local text = bytes:sub(1, MAX_SERIAL):gsub(".", function(byte)
        return ("%02X"):format(byte:byte())
    end)
    return #bytes > MAX_SERIAL and text .. "..." or text
end

local function without_nul(bytes)
    return bytes:sub(-1) == "\0" and bytes:sub(1, -2) or bytes
end

-- -- Issuer name and serial number -------------------------------------------------------------------------------
-- Their tags in a query were never published: two of 4, 5 and 6. Content tells them apart (docs/protocol.md).

local function is_serial(bytes)
    return #bytes >= 1 and (#bytes < MAX_SERIAL or (#bytes == MAX_SERIAL and bytes:byte() == 0))
end

local function starts_as_name(bytes)
    if bytes:find("^%a[%w.-]*=") then
        return true
    end
    local numbers = bytes:match("^(%d[%d.]*%.%d+)=")
    return numbers ~= nil and not numbers:find("..", 1, true)
end

-- Likeness to an issuer name: text counts most, then a start such as CN=, then the NUL at the end.
local function likeness(bytes)
    local text = not without_nul(bytes):find("[\0\1-\31\127]")
    return (text and 4 or 0) + (starts_as_name(bytes) and 2 or 0) + (bytes:sub(-1) == "\0" and 1 or 0)
end

local function value_of(message, element)
    return message.payload:sub(element.at + 3, element.at + 2 + element.size)
end

local function issuer_and_serial(message, low, high)
    local low_value, high_value = value_of(message, low), value_of(message, high)
    local low_fits = low_value:find("=", 1, true) and is_serial(high_value)
    local high_fits = high_value:find("=", 1, true) and is_serial(low_value)
    if high_fits and (not low_fits or likeness(high_value) > likeness(low_value)) then
        return high, low
    elseif low_fits then
        return low, high
    end
end

-- Gives the two candidates their meaning, or says why they have none.
local function tell_apart(message)
    local found = {}
    for tag = ISSUER, UNPUBLISHED do
        local element = message.first[tag]
        found[#found + 1] = element
    end
    if #found ~= 2 then
        local reason = "issuer name and serial number are two of the elements 4, 5 and 6, not %d"
        return malformed(message, message.item, reason:format(#found))
    end
    local issuer, serial = issuer_and_serial(message, found[1], found[2])
    if not issuer then
        local reason = "elements %d and %d are not an issuer name and a serial number"
        return malformed(message, message.item, reason:format(found[1].tag, found[2].tag))
    end
    issuer.meaning, serial.meaning = ISSUER, SERIAL
end

-- -- Certificates ------------------------------------------------------------------------------------------------

-- The start and the end of the DER value at a position; nothing if it is not all there.
local function der_value(bytes, position)
    local size = bytes:byte(position + 1)
    if not size then
        return nil
    end
    local start = position + 2
    if size >= 0x80 then
        local count = size - 0x80
        if count < 1 or count > 3 or start + count - 1 > #bytes then
            return nil
        end
        size = 0
        for at = start, start + count - 1 do
            size = size * 256 + bytes:byte(at)
        end
        start = start + count
    end
    if start + size - 1 > #bytes then
        return nil
    end
    return start, start + size - 1
end

-- The start and the end of the serial number: the first INTEGER of the certificate, after an optional version.
local function certificate_serial(bytes)
    if bytes:byte() ~= 0x30 then
        return nil
    end
    local position = der_value(bytes, 1)
    if not position or bytes:byte(position) ~= 0x30 then
        return nil
    end
    position = der_value(bytes, position)
    if position and bytes:byte(position) == 0xA0 then
        local _, stop = der_value(bytes, position)
        position = stop and stop + 1
    end
    if not position or bytes:byte(position) ~= 0x02 then
        return nil
    end
    local start, stop = der_value(bytes, position)
    if start and stop >= start and stop - start < MAX_SERIAL then
        return start, stop
    end
end

local x509 = DissectorTable.get("media_type"):get_dissector("application/pkix-cert")

local function show_certificate(message, element, tree)
    if #element.bytes == 0 then
        return malformed(message, tree, "a certificate without bytes")
    end
    local item = tree:add(f.certificate, element.range)
    local start, stop = certificate_serial(element.bytes)
    if start then
        item:add(f.certificate_serial, element.range(start - 1, stop - start + 1))
        message.serial = message.serial or hex(element.bytes:sub(start, stop))
    else
        odd(item, "the certificate's serial number cannot be read")
    end
    if x509 then -- it may find the certificate malformed, marks that itself, and then ends with an error
        pcall(x509.call, x509, element.range:tvb(), message.pinfo, item)
    end
end

-- -- Other elements ----------------------------------------------------------------------------------------------

local function add_text(tree, field, element, from, bytes)
    local range = #bytes > 0 and element.range(from, #bytes) or element.whole
    return #bytes > 0 and tree:add_packet_field(field, range, ENC_UTF_8) or tree:add(field, range, "")
end

local function show_device(message, element, tree)
    local bytes, from = element.bytes, 0
    if bytes:byte() ~= 1 then
        odd(tree, "a device name starts with a byte 01")
    end
    if #bytes > 0 and bytes:byte() < 0x20 then
        bytes, from = bytes:sub(2), 1
    end
    bytes = without_nul(bytes)
    add_text(tree, f.device, element, from, bytes)
    if bytes:find("[^\32-\126]") then
        odd(tree, "a device name is printable ASCII")
    end
    message.device = printable(bytes)
end

local function name_of(field, key)
    return function(message, element, tree)
        local bytes = without_nul(element.bytes)
        if bytes == element.bytes then
            odd(tree, "a name ends with a NUL")
        end
        add_text(tree, field, element, 0, bytes)
        if bytes:find("\0") then
            malformed(message, tree, "a NUL inside a name")
        end
        message[key] = printable(bytes)
    end
end

local function show_serial(message, element, tree)
    tree:add(f.serial, element.range)
    message.serial = hex(element.bytes)
end

local function show_status(message, element, tree)
    if #element.bytes > 0 then
        tree:add(f.status, element.range(0, 1))
    end
    if #element.bytes ~= 1 or element.bytes:byte() > 1 then
        return malformed(message, tree, "a status is one byte, 0 or 1")
    end
    message.status = element.bytes:byte()
end

local function show_roles(message, element, tree)
    local names = {}
    for index = 1, math.min(#element.bytes, MAX_SHOWN) do
        local code = element.bytes:byte(index)
        tree:add(f.role, element.range(index - 1, 1))
        names[index] = ROLE_NAMES[code] or tostring(code)
    end
    if #element.bytes > MAX_SHOWN then
        odd(tree, ("%d roles; the first %d are shown"):format(#element.bytes, MAX_SHOWN))
    end
    message.roles = table.concat(names, ",")
end

local function show_time_to_live(message, element, tree)
    if #element.bytes ~= 4 then
        return malformed(message, tree, "a time to live has 4 bytes")
    end
    tree:add(f.time_to_live, element.range)
    message.time_to_live = element.range:uint()
end

local SHOW = {
    [DEVICE] = show_device,
    [CERTIFICATE] = show_certificate,
    [SUBJECT] = name_of(f.subject, "subject"),
    [ISSUER] = name_of(f.issuer, "issuer"),
    [SERIAL] = show_serial,
    [STATUS] = show_status,
    [ROLES] = show_roles,
    [TIME_TO_LIVE] = show_time_to_live,
}

-- -- The payload -------------------------------------------------------------------------------------------------

-- All elements of the payload, as positions in it; marks what does not fit.
local function read_elements(message)
    local payload, position, elements = message.payload, 1, {}
    while position <= #payload do
        local left = #payload - position + 1
        if left < 3 then
            local reason = "the tag and length of an element: 3 bytes are needed, %d are left"
            malformed(message, message.item, reason:format(left))
            break
        end
        local tag, high, low = payload:byte(position, position + 2)
        local size = high * 256 + low
        if size > left - 3 then
            local reason = "element %d: %d bytes are needed, %d are left"
            malformed(message, message.item, reason:format(tag, size, left - 3))
            break
        end
        elements[#elements + 1] = { tag = tag, at = position, size = size }
        position = position + 3 + size
    end
    message.cut = position
    return elements
end

-- Gives an element its meaning in this message, a note if it is unusual, and finds the second of its kind.
local function check_element(message, element)
    local tag = element.tag
    local place, first = PLACES[message.type][tag], message.first[tag]
    element.meaning = place and (CANDIDATES[tag] and UNPUBLISHED or tag)
    if not place then
        element.note = TAG_NAMES[tag] and "an element of another message" or "an unknown element"
    elseif first and not (message.type == QUERY_RES and tag == CERTIFICATE) then
        message.duplicate = message.duplicate or tag
    elseif place < message.place then
        element.note = "the elements are not in their usual order"
    end
    message.place = math.max(message.place, place or 0)
    message.first[tag] = first or element
end

local function check_elements(message, elements)
    message.first, message.place = {}, 0
    for _, element in ipairs(elements) do
        check_element(message, element)
    end
    if message.duplicate then
        local reason = "element %d (%s) stands twice"
        malformed(message, message.item, reason:format(message.duplicate, TAG_NAMES[message.duplicate]))
    end
    for _, tag in ipairs(REQUIRED[message.type]) do
        if not message.first[tag] then
            malformed(message, message.item, ("element %d (%s) is missing"):format(tag, TAG_NAMES[tag]))
        end
    end
end

local function show_element(message, element)
    element.whole = message.range(element.at - 1, 3 + element.size)
    element.bytes = value_of(message, element)
    element.range = element.size > 0 and element.whole(3, element.size) or nil
    local name = TAG_NAMES[element.meaning or element.tag] or ("Element %d"):format(element.tag)
    local branch = message.item:add(f.element, element.whole):set_text(name)
    branch:add(f.tag, element.whole(0, 1))
    branch:add(f.element_length, element.whole(1, 2))
    if element.note then
        odd(branch, element.note)
    end
    if SHOW[element.meaning] then
        SHOW[element.meaning](message, element, branch)
    elseif element.range then
        branch:add(f.value, element.range)
    end
end

-- Shows the first MAX_SHOWN elements, and after them those that the message is about.
local function show_elements(message, elements)
    for index, element in ipairs(elements) do
        if index <= MAX_SHOWN or (element.meaning and message.first[element.tag] == element) then
            show_element(message, element)
        end
    end
    if #elements > MAX_SHOWN then
        odd(message.item, ("%d elements; the first %d are shown"):format(#elements, MAX_SHOWN))
    end
end

-- What only the whole answer says.
local function check_answer(message)
    local first = message.first
    if message.status == 0 and message.type == QUERY_RES and not first[CERTIFICATE] then
        malformed(message, message.item, "element 2 (Certificate) is missing")
    elseif message.status == 1 then
        message.item:add_proto_expert_info(e.not_trusted, "The certificate is not trusted")
        if first[CERTIFICATE] or first[ROLES] or first[TIME_TO_LIVE] then
            odd(message.item, "a refusal that carries a certificate, roles or a time to live")
        end
    end
end

local function show_payload(message, range)
    message.range, message.payload = range, range and range:raw() or ""
    local elements = read_elements(message)
    check_elements(message, elements)
    if message.type == QUERY_REQ then
        tell_apart(message)
    end
    show_elements(message, elements)
    if message.cut <= #message.payload then
        message.item:add(f.rest, range(message.cut - 1, #message.payload - message.cut + 1))
    end
    check_answer(message)
end

-- -- Requests and their answers ----------------------------------------------------------------------------------

local waiting, exchanges = {}, {} -- requests by stream and session id; both messages' exchanges by frame

function tvs.init()
    waiting, exchanges = {}, {}
end

local function stream_of(pinfo)
    local stream = stream_field()
    return stream and tostring(stream.value) or "none"
end

-- The exchange to which the message belongs; made when the frame is seen for the first time.
local function exchange_of(message, pinfo, is_request)
    local here = ("%d %d %d"):format(pinfo.number, message.type, message.session)
    if pinfo.visited or exchanges[here] then
        return exchanges[here]
    end
    local key = ("%s %d"):format(stream_of(pinfo), message.session)
    if is_request then
        local exchange = { request = pinfo.number, type = message.type, port = pinfo.src_port, at = pinfo.rel_ts }
        exchange.device, exchange.serial = message.device, message.serial
        waiting[key], exchanges[here] = exchange, exchange
        return exchange
    end
    local exchange = waiting[key]
    if exchange and exchange.type == message.type - 1 and exchange.port == pinfo.dst_port then
        waiting[key], exchanges[here] = nil, exchange
        exchange.answer, exchange.answered_at = pinfo.number, pinfo.rel_ts
        return exchange
    end
end

local function show_exchange(message, pinfo)
    local is_request = message.type == VERIFY_REQ or message.type == QUERY_REQ
    local exchange = exchange_of(message, pinfo, is_request)
    if not exchange then
        if not is_request then
            message.item:add_proto_expert_info(e.order, "An answer to no request of this connection")
        end
        return
    end
    if is_request then
        if exchange.answer then
            message.item:add(f.response_in, exchange.answer):set_generated()
        end
        return
    end
    message.item:add(f.request_in, exchange.request):set_generated()
    local seconds = math.max(exchange.answered_at - exchange.at, 0)
    local whole = math.floor(seconds)
    message.item:add(f.time, NSTime.new(whole, math.floor((seconds - whole) * 1e9))):set_generated()
    message.device = exchange.device
    message.serial = exchange.serial or message.serial
end

-- -- The Info column ---------------------------------------------------------------------------------------------

local function request_text(message)
    local text = ("%s %s"):format(message.type == QUERY_REQ and "Query" or "Verification", message.device or "?")
    text = text .. (message.serial and ", serial " .. message.serial or "")
    return text .. (message.subject and ", " .. message.subject or "")
end

local function answer_text(message)
    local text = STATUS_NAMES[message.status] or "Answer"
    text = text .. (message.serial and ", serial " .. message.serial or "")
    if message.status == 0 then
        text = text .. (message.roles and ", roles " .. message.roles or "")
        text = text .. (message.time_to_live and (", %d s"):format(message.time_to_live) or "")
    end
    return text .. (message.device and ", for " .. message.device or "")
end

local function info_of(message)
    local is_request = message.type == VERIFY_REQ or message.type == QUERY_REQ
    local text = is_request and request_text(message) or message.type and answer_text(message)
    if message.problem then
        return ("Malformed: %s"):format(message.problem) .. (text and " - " .. text or "")
    end
    return text
end

-- -- Messages ----------------------------------------------------------------------------------------------------

-- The first wrong byte of a header of which at least one byte is there.
local function wrong_start(tvb, offset, left)
    local discriminator = tvb(offset, 1):uint()
    if discriminator ~= DISCRIMINATOR then
        return ("a message starts with 0x57, not 0x%02x"):format(discriminator)
    elseif left >= 2 and tvb(offset + 1, 1):uint() ~= VERSION then
        return ("protocol version %d is not known"):format(tvb(offset + 1, 1):uint())
    elseif left >= 3 and not TYPE_NAMES[tvb(offset + 2, 1):uint()] then
        return ("message type %d is not known"):format(tvb(offset + 2, 1):uint())
    end
end

local function show_header(message, tvb, offset)
    message.item:add(f.discriminator, tvb(offset, 1))
    message.item:add(f.version, tvb(offset + 1, 1))
    message.item:add(f.type, tvb(offset + 2, 1))
    message.item:add(f.reserved, tvb(offset + 3, 1))
    message.item:add(f.session, tvb(offset + 4, 4))
    message.item:add(f.length, tvb(offset + 8, 2))
    message.type, message.session = tvb(offset + 2, 1):uint(), tvb(offset + 4, 4):uint()
    message.item:append_text((", %s, session %d"):format(TYPE_NAMES[message.type], message.session))
end

-- Everything that is left, as one malformed message.
local function show_rest(tvb, offset, pinfo, tree, reason)
    local range = tvb(offset, tvb:len() - offset)
    local message = { item = tree:add(tvs, range), pinfo = pinfo }
    message.item:add(f.rest, range)
    malformed(message, message.item, reason)
    return message
end

local function show_message(tvb, offset, size, pinfo, tree)
    local there = math.min(size, tvb:len() - offset)
    local message = { item = tree:add(tvs, tvb(offset, there)), pinfo = pinfo }
    show_header(message, tvb, offset)
    if there < size then
        malformed(message, message.item, ("%d bytes are announced, %d are there"):format(size, there))
    end
    show_payload(message, there > HEADER_SIZE and tvb(offset + HEADER_SIZE, there - HEADER_SIZE))
    show_exchange(message, pinfo)
    return message
end

-- The size of the message at this position, header included; nothing while the header is not all there.
local function size_at(tvb, offset)
    if tvb:len() - offset >= HEADER_SIZE then
        return HEADER_SIZE + tvb(offset + 8, 2):uint()
    end
end

local function too_large(tvb, offset, size)
    local message_type = tvb(offset + 2, 1):uint()
    return (message_type == VERIFY_REQ or message_type == QUERY_REQ) and size > HEADER_SIZE + MAX_REQUEST_PAYLOAD
end

-- Asks Wireshark for more bytes; false if it cannot have them.
local function wait_for(pinfo, offset, missing)
    if pinfo.can_desegment == 0 then
        return false
    end
    pinfo.desegment_offset, pinfo.desegment_len = offset, missing or DESEGMENT_ONE_MORE_SEGMENT
    return true
end

-- The start of a message whose rest may come; Wireshark shows it in place of the whole if the rest never does.
local function show_start(tvb, offset, tree, size)
    local item = tree:add(tvs, tvb(offset, tvb:len() - offset))
    local announced = size and ("of %d"):format(size) or "of at least 10"
    item:add_proto_expert_info(e.unfinished, ("%d bytes %s: the message continues, or never ends"):format(
        tvb:len() - offset, announced))
end

-- Shows the message at this position; returns it and its size, or nothing when the rest has to come first.
local function next_message(tvb, offset, pinfo, tree)
    local left = tvb:len() - offset
    local wrong = wrong_start(tvb, offset, left)
    if wrong then
        return show_rest(tvb, offset, pinfo, tree, wrong), left
    end
    local size = size_at(tvb, offset)
    if size and too_large(tvb, offset, size) then
        local reason = "a request of %d bytes is announced; %d is the most"
        return show_rest(tvb, offset, pinfo, tree, reason:format(size - HEADER_SIZE, MAX_REQUEST_PAYLOAD)), left
    elseif (not size or size > left) and wait_for(pinfo, offset, size and size - left) then
        show_start(tvb, offset, tree, size)
        return nil, left
    elseif not size then
        return show_rest(tvb, offset, pinfo, tree, ("a header has 10 bytes, %d are there"):format(left)), left
    end
    return show_message(tvb, offset, size, pinfo, tree), size
end

-- Adds the messages to the Info column; a frame may hold several TLS records, each with a call of its own.
local function show_info(pinfo, texts)
    pinfo.cols.protocol:set("TVS")
    pinfo.cols.info:clear()
    local before = tostring(pinfo.cols.info)
    local text = table.concat(texts, " | ")
    if #before < MAX_INFO then
        text = #text > MAX_INFO and text:sub(1, MAX_INFO) .. "..." or text
        pinfo.cols.info:append((before == "" and "" or " | ") .. text)
    end
    pinfo.cols.info:fence()
end

function tvs.dissector(tvb, pinfo, tree)
    local offset, texts = 0, {}
    while offset < tvb:len() do
        local message, size = next_message(tvb, offset, pinfo, tree)
        if message and #texts * 10 < MAX_INFO then
            texts[#texts + 1] = info_of(message)
        end
        offset = offset + size
    end
    if #texts > 0 then
        show_info(pinfo, texts)
    end
    return tvb:len()
end

-- -- Ports -------------------------------------------------------------------------------------------------------

local tls_ports, tcp_ports = DissectorTable.get("tls.port"), DissectorTable.get("tcp.port")
local tls = Dissector.get("tls")
local registered = ""

local function register(ports)
    if registered ~= "" then
        tls_ports:remove(registered, tvs)
        tcp_ports:remove(registered, tls)
    end
    if ports ~= "" then
        tls_ports:add(ports, tvs)
        tcp_ports:add(ports, tls)
    end
    registered = ports
end

function tvs.prefs_changed()
    if tvs.prefs.ports ~= registered then
        register(tvs.prefs.ports)
    end
end

register(tvs.prefs.ports)
tcp_ports:add_for_decode_as(tvs) -- for a capture behind something that takes TLS off

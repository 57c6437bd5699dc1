/// \file
/// Errors of the host interface. A refused call throws `peerfold::error` before it has launched or
/// changed anything. Where exceptions are off (PEERFOLD_EXCEPTIONS 0) the same functions return
/// `cuda::std::expected<T, error>` in place of T.
#pragma once

#include <peerfold/core/config.hpp>

#include <exception>
#include <string>
#include <utility>

#if !PEERFOLD_EXCEPTIONS
#include <cuda/std/expected>
#endif

namespace peerfold {

/// Why a call was refused.
enum class errc {
  ok = 0,
  invalid_argument,  ///< an argument is out of its range; the message names it
  no_device,         ///< a device of the list is not there
  no_peer_access,    ///< two devices of the list cannot reach each other
  out_of_resources,  ///< memory, or blocks that must be resident together
  channel_conflict,  ///< a channel is in use by a stream that nothing orders before this call
  team_faulted,      ///< an earlier call of this team ran into a fault
  team_empty,        ///< the team was moved from
  cuda_failure,      ///< the CUDA runtime reported an error
};

/// An error with its reason and a message that names the argument, its value and the remedy.
class error : public std::exception {
 public:
  error() noexcept = default;
  error(errc code, std::string message) : code_{code}, message_{std::move(message)} {}

  [[nodiscard]] errc code() const noexcept { return code_; }
  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }

  /// Whether this is an error at all.
  explicit operator bool() const noexcept { return code_ != errc::ok; }

 private:
  errc code_ = errc::ok;
  std::string message_;
};

#if PEERFOLD_EXCEPTIONS

/// What a function that may be refused returns: T itself; refusal is thrown.
template <class T = void>
using outcome = T;

namespace detail {
template <class T = void>
[[noreturn]] outcome<T> refuse(error reason) {
  throw std::move(reason);
}
inline void accept() noexcept {}
}  // namespace detail

#else

/// What a function that may be refused returns: T, or the error.
template <class T = void>
using outcome = cuda::std::expected<T, error>;

namespace detail {
template <class T = void>
[[nodiscard]] outcome<T> refuse(error reason) {
  return cuda::std::unexpected<error>(std::move(reason));
}
[[nodiscard]] inline outcome<> accept() noexcept { return {}; }
}  // namespace detail

#endif

}  // namespace peerfold
